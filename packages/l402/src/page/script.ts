/**
 * The page's script, as the browser gets it: asks the page's own address whether the invoice is paid, and opens it then. All
 * words and facts stand in `data-` attributes. Its hash stands in the policy (csp.ts).
 */
export const SCRIPT: string = `
(() => {
  const main = document.querySelector('main')
  const { invoice, hash, expires } = main.dataset
  const byId = (id) => document.getElementById(id)
  const status = byId('status')
  const here = location.href.split('#')[0]
  const say = (name) => {
    const text = main.dataset[name] || ''
    if (status.textContent !== text) status.textContent = text
  }
  let waitMs = 2000
  let timer
  let done = false
  const ask = async (preimage) => {
    const headers = { 'L402-Page': hash, Accept: 'application/json' }
    if (preimage) headers['L402-Preimage'] = preimage
    const answer = await fetch(here, { headers, cache: 'no-store', redirect: 'error' })
    return (await answer.json()).state
  }
  const check = async (preimage) => {
    clearTimeout(timer)
    let state = 'unavailable'
    try {
      state = await ask(preimage)
    } catch {}
    if (done) return
    if (state === 'paid') {
      done = true
      say('paid')
      if (location.href === here) location.reload()
      else location.replace(here)
      return
    }
    if (preimage) say(state === 'unavailable' ? 'notChecked' : 'wrongPreimage')
    else if (state === 'settled') {
      say('needsPreimage')
      byId('proof').open = true
    } else if (state === 'unavailable') say('notChecked')
    else if (state === 'expired' || Date.now() > expires * 1000 + 60000) {
      done = true
      byId('pay').hidden = true
      byId('renew').hidden = false
      say('expired')
      return
    } else if (state === 'open') say('waiting')
    waitMs = Math.min(waitMs * 1.2, 10000)
    timer = setTimeout(check, waitMs)
  }
  const show = (id, act) => {
    const button = byId(id)
    button.hidden = false
    button.addEventListener('click', act)
  }
  show('copy', async () => {
    try {
      await navigator.clipboard.writeText(invoice)
    } catch {
      const range = document.createRange()
      byId('details').open = true
      range.selectNodeContents(byId('invoice'))
      getSelection().removeAllRanges()
      getSelection().addRange(range)
      if (!document.execCommand('copy')) return
    }
    say('copied')
  })
  const offerWallet = () => {
    if (!window.webln || !byId('wallet').hidden) return
    show('wallet', async () => {
      try {
        await webln.enable()
        const { preimage } = await webln.sendPayment(invoice)
        await check(preimage)
      } catch {
        say('waiting')
      }
    })
  }
  offerWallet()
  addEventListener('load', offerWallet)
  addEventListener('webln:ready', offerWallet)
  byId('form').addEventListener('submit', (event) => {
    event.preventDefault()
    check(byId('preimage').value.trim().toLowerCase())
  })
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden && !done) {
      waitMs = 2000
      check()
    }
  })
  byId('reload').hidden = true
  byId('proof').hidden = false
  say('waiting')
  timer = setTimeout(check, waitMs)
})()
`
