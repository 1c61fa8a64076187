"""Certificates for tests, made by the ``openssl`` program: an authority, a server of 127.0.0.1 and localhost, a client."""

from __future__ import annotations

import subprocess
from pathlib import Path


class Certificates:
    """PEM files in a folder. ``key`` is how keys are made: ``rsa:2048`` or ``ec``."""

    def __init__(self, folder: Path, key: str = "ec", digest: str = "sha256") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"] if key == "ec" else ["-newkey", key]
        self._digest = f"-{digest}"
        self.authority = self._authority("authority")
        self.stranger = self._authority("stranger")
        self.server, self.server_key = self._signed("server", "DNS:localhost,IP:127.0.0.1", "serverAuth")
        self.other, self.other_key = self._signed("other", "DNS:elsewhere.example", "serverAuth")
        self.client, self.client_key = self._signed("client", "DNS:app", "clientAuth")

    def listen(self, name: str = "server") -> str:
        """The part of a gate's configuration that names them."""
        certificate, key = {"server": (self.server, self.server_key), "other": (self.other, self.other_key)}[name]
        return f'[listen.tls]\ncertificate = "{certificate}"\nkey = "{key}"\nclient_ca = "{self.authority}"\n'

    def _authority(self, name: str) -> Path:
        certificate = self.folder / f"{name}.pem"
        extensions = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"]
        self._run(
            ["req", "-x509", "-nodes", *self._key, "-keyout", str(self.folder / f"{name}.key"), "-out", str(certificate)],
            ["-subj", f"/CN={name}", "-days", "2", self._digest, *extensions],
        )
        return certificate

    def _signed(self, name: str, names: str, usage: str) -> tuple[Path, Path]:
        certificate, key, request = (self.folder / f"{name}.{ending}" for ending in ("pem", "key", "csr"))
        self._run(["req", "-new", "-nodes", *self._key, "-keyout", str(key), "-out", str(request), "-subj", f"/CN={name}"])
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"basicConstraints=CA:FALSE\nsubjectAltName={names}\nextendedKeyUsage={usage}\n")
        self._run(
            ["x509", "-req", "-in", str(request), "-CA", str(self.authority), "-CAkey", str(self.folder / "authority.key")],
            ["-CAcreateserial", "-out", str(certificate), "-days", "2", self._digest, "-extfile", str(extensions)],
        )
        return certificate, key

    @staticmethod
    def _run(*arguments: list[str]) -> None:
        command = ["openssl", *(part for parts in arguments for part in parts)]
        done = subprocess.run(command, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
