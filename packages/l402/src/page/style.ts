/** The page's looks: light and dark, no picture, no font of its own. Its hash stands in the policy (csp.ts). */
export const STYLE: string = `
:root{color-scheme:light dark;--ink:#1a1a1f;--dim:#55555f;--back:#fafafa;--card:#fff;--line:#c9c9d1;--go:#7a3d00;--on:#fff}
@media (prefers-color-scheme:dark){:root{--ink:#f1f1f4;--dim:#b4b4be;--back:#131316;--card:#1d1d22;--line:#4a4a55;--go:#ffb45c;--on:#1a1100}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--ink);font:1rem/1.5 system-ui,sans-serif}
main{overflow-wrap:anywhere;max-width:30rem;margin:0 auto;padding:1.5rem 1rem 3rem}
.brand{margin:0;color:var(--dim)}
h1{margin:0 0 .5rem;font-size:1.6rem;line-height:1.2}
dl{display:grid;grid-template-columns:auto 1fr;gap:.25rem 1rem;margin:1rem 0}
dt{color:var(--dim)}
dd{margin:0;overflow-wrap:break-word;font-weight:600}
.notice{border-left:.25rem solid var(--go);padding:.25rem .75rem}
.qr{display:block;padding:0;background:#fff;border:1px solid var(--line);border-radius:.75rem;overflow:hidden}
svg{display:block;width:100%;height:auto}
.acts{display:flex;flex-wrap:wrap;gap:.5rem;margin:1rem 0}
a.act,button{flex:1 1 9rem;padding:.7rem 1rem;border:1px solid var(--go);border-radius:.5rem;background:var(--card);color:var(--go);font:inherit;font-weight:600;text-align:center;text-decoration:none;cursor:pointer}
a.first,form button{background:var(--go);color:var(--on)}
:focus-visible{outline:3px solid var(--go);outline-offset:3px}
#renew{display:block}
[hidden]{display:none!important}
#status{min-height:1.5rem;margin:0 0 .5rem;font-weight:600}
details{margin:1rem 0;border-top:1px solid var(--line);padding-top:.75rem}
summary{cursor:pointer}
code{display:block;margin:.5rem 0;font-size:.8rem;overflow-wrap:anywhere;user-select:all}
label{display:block;font-weight:600}
input{width:100%;margin:.25rem 0 .75rem;padding:.6rem;border:1px solid var(--dim);border-radius:.5rem;background:var(--card);color:var(--ink);font:.9rem ui-monospace,monospace}
small{color:var(--dim)}
@media (prefers-reduced-motion:no-preference){a.act,button{transition:opacity .15s}}
a.act:hover,button:hover{opacity:.85}
`
