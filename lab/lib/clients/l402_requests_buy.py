"""`python l402_requests_buy.py URL PAY`: one purchase by l402-requests. Prints `{ status, body, paid }`."""

import json
import sys
import urllib.request

from l402_requests import BudgetController, L402Client, WalletBase

url, pay_url = sys.argv[1:3]
paid = 0


class Wallet(WalletBase):
    async def pay_invoice(self, bolt11: str) -> str:
        global paid
        paid += 1
        data = json.dumps({"invoice": bolt11}).encode()
        with urllib.request.urlopen(urllib.request.Request(pay_url, data=data, method="POST")) as answer:
            return json.load(answer)["preimage"]


client = L402Client(wallet=Wallet(), budget=BudgetController())
response = client.get(url)
print(json.dumps({"status": response.status_code, "body": response.text, "paid": paid}))
