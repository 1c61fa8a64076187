"""SCRAM-SHA-256."""

import base64
import hashlib
import hmac


def b64(data):
    return base64.b64encode(data).decode()


def scram_exchange(user, password, client_nonce, server_nonce, salt, iterations, header="n,,", binding=b""):
    name = user.replace("=", "=3D").replace(",", "=2C")
    bare = f"n={name},r={client_nonce}"
    server_first = f"r={client_nonce}{server_nonce},s={b64(salt)},i={iterations}"
    without_proof = f"c={b64(header.encode() + binding)},r={client_nonce}{server_nonce}"
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    sign = lambda key, text: hmac.new(key, text, "sha256").digest()
    client_key, server_key = sign(salted, b"Client Key"), sign(salted, b"Server Key")
    stored_key = hashlib.sha256(client_key).digest()
    message = f"{bare},{server_first},{without_proof}".encode()
    proof = bytes(left ^ right for left, right in zip(client_key, sign(stored_key, message)))
    return {
        "user": user, "password": password, "client_nonce": client_nonce, "server_nonce": server_nonce, "binding": binding.hex() if header.startswith("p") else None,
        "flag": header[0], "stored": f"SCRAM-SHA-256${iterations}:{b64(salt)}${b64(stored_key)}:{b64(server_key)}",
        "client_first": header + bare, "server_first": server_first, "client_final": f"{without_proof},p={b64(proof)}",
        "server_final": f"v={b64(sign(server_key, message))}",
    }


def scram():
    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    rfc = scram_exchange("user", "pencil", "rOprNGfwEbeRWgbNEkqO", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", salt, 4096)
    assert rfc["client_final"].endswith("p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    plus = "p=tls-server-end-point,,"
    cases = [
        {"name": "RFC 7677", **rfc},
        {"name": "name that is escaped", **scram_exchange("a,b=c", "pencil", "abc", "def", salt, 4096)},
        {"name": "password in another script", **scram_exchange("élodie", "パスワード", "abc", "def", salt, 4097)},
        {"name": "empty password", **scram_exchange("ann", "", "abc", "def", b"\0", 4096)},
        {"name": "PLUS", **scram_exchange("ann", "pencil", "abc", "def", salt, 4096, plus, hashlib.sha256(b"certificate").digest())},
        {"name": "client could bind, server cannot", **scram_exchange("ann", "pencil", "abc", "def", salt, 4096, "y,,")},
    ]
    final = rfc["client_final"]
    steps = [
        ("client_first", "no header", "n=user,r=abc"), ("client_first", "another identity", "n,a=root,n=user,r=abc"),
        ("client_first", "extension", "n,,m=x,n=user,r=abc"), ("client_first", "another user", "n,,n=root,r=abc"),
        ("client_first", "binding without TLS", "p=tls-server-end-point,,n=user,r=abc"), ("client_first", "empty nonce", "n,,n=user,r="),
        ("client_final", "wrong proof", final[:-5] + "AAA" + final[-2:]), ("client_final", "another nonce", final.replace("r=rOpr", "r=xOpr")),
        ("client_final", "another binding", final.replace("c=biws", "c=eSws")), ("client_final", "no proof", final.split(",p=")[0]),
        ("server_first", "another nonce", rfc["server_first"].replace("r=rOpr", "r=xOpr")), ("server_first", "too few iterations", rfc["server_first"].replace("4096", "4095")),
        ("server_first", "too many iterations", rfc["server_first"].replace("4096", "600001")), ("server_first", "nonce adds nothing", "r=rOprNGfwEbeRWgbNEkqO,s=YQ==,i=4096"),
        ("server_final", "wrong signature", "v=" + b64(b"\0" * 32)), ("server_final", "an error", "e=other-error"),
    ]
    return cases + [{"name": f"{step}: {name}", **rfc, step: message, "refused": step} for step, name, message in steps]
