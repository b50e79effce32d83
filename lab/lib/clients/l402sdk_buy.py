"""`python l402sdk_buy.py URL PAY`: one purchase by L402sdk. Its wallet is lnd's REST, which is played here. Prints `{ status, body, paid }`."""

import hashlib
import json
import multiprocessing
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

from l402 import Budget, L402Client

url, pay_url = sys.argv[1:3]
paid = multiprocessing.Value("i", 0)


class Lnd(BaseHTTPRequestHandler):
    def do_POST(self):
        paid.value += 1
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        data = json.dumps({"invoice": asked["payment_request"]}).encode()
        with urllib.request.urlopen(urllib.request.Request(pay_url, data=data, method="POST")) as answer:
            preimage = json.load(answer)["preimage"]
        payment_hash = hashlib.sha256(bytes.fromhex(preimage)).hexdigest()
        result = {"status": "SUCCEEDED", "payment_preimage": preimage, "payment_hash": payment_hash, "fee_sat": "0"}
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps({"result": result}).encode() + b"\n")

    def log_message(self, *_):
        pass


lnd = HTTPServer(("127.0.0.1", 0), Lnd)
# A process of its own: the client holds the interpreter while it waits.
multiprocessing.Process(target=lnd.serve_forever, daemon=True).start()
client = L402Client.with_lnd_rest(
    f"http://127.0.0.1:{lnd.server_port}", "00", budget=Budget(per_request_max=1000)
)
response = client.get(url)
text = response.text() if callable(response.text) else response.text
print(json.dumps({"status": response.status, "body": text, "paid": paid.value}))
