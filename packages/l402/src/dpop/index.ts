export { type DpopOptions, dpopVerifier } from './dpop-verifier.ts'
