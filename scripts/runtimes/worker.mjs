// A Worker that runs the suite, with the purse of a Durable Object.
import { DurableObject } from 'cloudflare:workers'
import { durableObjectPurse, purseDoor } from '@turnpike/l402/purse/durable-object'
import { runSuite } from './suite.mjs'

export class Purse extends DurableObject {
  #door = purseDoor(this.ctx.storage)

  purseCall(call) {
    return this.#door.purseCall(call)
  }

  purseLock(name, task) {
    return this.#door.purseLock(name, task)
  }
}

/** What the Worker answers: the report on the vectors it is sent. */
export const worker = {
  async fetch(request, env) {
    const durable = async () => {
      const name = crypto.randomUUID()
      return () => durableObjectPurse(env.PURSE.get(env.PURSE.idFromName(name)))
    }
    let refusal = 'none'
    try {
      durableObjectPurse(env.KV)
    } catch (error) {
      refusal = error.message
    }
    const report = await runSuite(await request.json(), { 'Durable Object': durable })
    if (!refusal.includes('KV namespace')) report.failures.push(`a KV namespace was not refused: ${refusal}`)
    return Response.json(report)
  },
}
