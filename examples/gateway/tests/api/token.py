"""Prints a token of the demo: the folder with its secret, roles between commas, a territory or `*`."""

import base64
import hashlib
import hmac
import json
import pathlib
import sys
import time


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


folder, roles, territory = sys.argv[1:]
secret = pathlib.Path(folder, "hs256.secret").read_bytes()
claims = {
    "sub": "f.uzz",
    "roles": roles.split(","),
    "territories": territory if territory == "*" else [territory],
    "purpose": "operations",
    "exp": int(time.time()) + 3600,
    "aud": "medorder",
}
signed = encoded(b'{"alg":"HS256","typ":"JWT"}') + b"." + encoded(json.dumps(claims).encode())
print((signed + b"." + encoded(hmac.new(secret, signed, hashlib.sha256).digest())).decode())
