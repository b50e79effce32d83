// A paid route in NestJS. Lightning and books in memory: put lnd({ … }) and sqliteStore({ … }) there for real ones.
//   node examples/frameworks/nest.mjs
//   curl -i http://127.0.0.1:3000/forecast/oslo
//   node examples/frameworks/buy.mjs nest
import 'reflect-metadata'
import { Controller, Get, Module, Req, UseGuards } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { memoryLightning } from '@turnpike/l402/lightning/memory'
import { l402 } from '@turnpike/l402/nest'
import { memoryStore } from '@turnpike/l402/store/memory'

export const lightning = memoryLightning()
const toll = l402({
  lightning,
  store: memoryStore(),
  keys: [{ id: 'first', masterKey: crypto.getRandomValues(new Uint8Array(32)), active: true }],
  services: { weather: {} },
})

class ForecastController {
  forecast(req) {
    return { city: req.params.city, sky: 'clear', left: req.l402.left.calls }
  }
}

class App {}

// JavaScript has no decorators yet: in TypeScript each of these stands as `@Get(':city')` in front of what it decorates.
const { prototype } = ForecastController
const forecast = Object.getOwnPropertyDescriptor(prototype, 'forecast')
Controller('forecast')(ForecastController)
Get(':city')(prototype, 'forecast', forecast)
UseGuards(toll({ name: 'GET /forecast/:city', price: '10 sat', grants: { calls: 50 } }))(
  prototype,
  'forecast',
  forecast,
)
Req()(prototype, 'forecast', 0)
Module({ controllers: [ForecastController] })(App)

const app = await NestFactory.create(App, { rawBody: true, logger: ['error', 'warn'] })
await app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1')
export const server = app.getHttpServer()
