export { type ApertureSecretsOptions, apertureSecrets } from './aperture-secrets.ts'
