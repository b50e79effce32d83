"""`python pyl402_buy.py URL PAY`: one purchase by pyl402. Prints `{ status, body, paid }`."""

import json
import sys
import urllib.request

from pyl402.client import L402Client
from pyl402.token_store import MemoryTokenStore
from pyl402.wallet import PaymentResult, Wallet

url, pay_url = sys.argv[1:3]
paid = 0


class OwnWallet(Wallet):
    def pay_invoice(self, invoice):
        global paid
        paid += 1
        data = json.dumps({"invoice": invoice}).encode()
        with urllib.request.urlopen(urllib.request.Request(pay_url, data=data, method="POST")) as answer:
            return PaymentResult(json.load(answer)["preimage"], True)


response = L402Client(OwnWallet(), MemoryTokenStore()).get(url)
print(json.dumps({"status": response.status_code, "body": response.text, "paid": paid}))
