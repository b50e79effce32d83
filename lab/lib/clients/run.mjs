// `node run.mjs CLIENT URL PAY`: one purchase by a published client. PAY takes `{"invoice"}` and answers `{"preimage"}`.
// Prints `{ status, body, again, paid }`.
const [client, url, payUrl] = process.argv.slice(2)
let paid = 0
const pay = async (invoice) => {
  paid++
  const response = await fetch(payUrl, { method: 'POST', body: JSON.stringify({ invoice }) })
  return (await response.json()).preimage
}
const { buy } = await import(client)
const response = await buy(url, pay)
console.log(JSON.stringify({ status: response.status, body: await response.text(), paid }))
