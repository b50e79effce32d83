// A client of grpc.mjs that pays. Every call goes through the same limits and books as `payingFetch`.
import { promisify } from 'node:util'
import { credentials } from '@grpc/grpc-js'
import { payingInterceptor } from '@turnpike/l402/client/grpc'

export function askGrpc({ origin, wallet, purse, weather }) {
  const client = new weather.Weather(new URL(origin).host, credentials.createInsecure(), {
    interceptors: [payingInterceptor({ origin, wallet, purse })],
  })
  return () => promisify(client.forecast).call(client, { city: 'lisbon' })
}
