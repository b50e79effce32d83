// A small API to sell. It knows nothing of payments: the gateway in front of it does all of that.
//
//   node examples/quickstart/api.mjs [PORT]
//
//   GET  /health            free in turnpike.yaml
//   GET  /forecast/:city    sold as a pass
//   POST /query             sold as a bundle of three
//
// What the gateway tells it about who paid stands in X-L402-Token-Id, X-L402-Service and X-L402-Payment-Hash.

import { createServer } from 'node:http'

const port = Number(process.argv[2] ?? 9000)

const server = createServer(async (request, response) => {
  const { pathname } = new URL(request.url ?? '/', 'http://localhost')
  const buyer = request.headers['x-l402-token-id']
  const city = /^\/forecast\/([^/]+)$/.exec(pathname)?.[1]

  if (request.method === 'GET' && pathname === '/health') {
    send(response, 200, { status: 'ok' })
  } else if (request.method === 'GET' && city !== undefined) {
    send(response, 200, { city, sky: 'sunny', celsius: 21, buyer })
  } else if (request.method === 'POST' && pathname === '/query') {
    let question = ''
    for await (const chunk of request) question = (question + chunk).slice(0, 1000)
    send(response, 200, { question, answer: 42, buyer })
  } else {
    send(response, 404, { error: 'try /health, /forecast/lisbon or POST /query' })
  }
})

server.listen(port, '127.0.0.1', () => console.log(`sample API on http://127.0.0.1:${port}`))

function send(response, status, body) {
  response.writeHead(status, { 'Content-Type': 'application/json' })
  response.end(`${JSON.stringify(body)}\n`)
}
