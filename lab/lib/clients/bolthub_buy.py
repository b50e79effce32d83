"""`python bolthub_buy.py URL PAY`: one purchase by bolthub's HTTP client. Prints `{ status, body, paid }`."""

import json
import sys
import urllib.request

from bolthub import L402Client

url, pay_url = sys.argv[1:3]
paid = 0


class Wallet:
    def pay_invoice(self, bolt11: str) -> str:
        global paid
        paid += 1
        data = json.dumps({"invoice": bolt11}).encode()
        with urllib.request.urlopen(urllib.request.Request(pay_url, data=data, method="POST")) as answer:
            return json.load(answer)["preimage"]


response = L402Client(wallet=Wallet()).get(url)
print(json.dumps({"status": response.status_code, "body": response.text, "paid": paid}))
