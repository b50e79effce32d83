import 'reflect-metadata'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Controller, Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import type { Running } from '../matrix.ts'

/** Adds a handler to a controller, as if it were written there: tests are run without the syntax of decorators. */
export function addHandler(
  { prototype }: { readonly prototype: object },
  name: string,
  {
    value,
    decorators,
  }: { readonly value: (...args: never) => unknown; readonly decorators: readonly MethodDecorator[] },
): void {
  const descriptor = { value, configurable: true }
  Object.defineProperty(prototype, name, descriptor)
  for (const decorate of decorators) decorate(prototype, name, descriptor)
}

/** An app of one controller, on a free port. */
export async function listenNest(
  controller: new () => object,
  options: { readonly rawBody?: boolean } = {},
): Promise<Running> {
  Controller()(controller)
  class App {}
  Module({ controllers: [controller] })(App)
  const app = await NestFactory.create(App, { logger: false, abortOnError: false, ...options })
  await app.listen(0, '127.0.0.1')
  const server = app.getHttpServer() as Server
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      server.closeAllConnections()
      await app.close()
    },
  }
}
