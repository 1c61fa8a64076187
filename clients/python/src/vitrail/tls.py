"""TLS: what is trusted, what is checked, and the channel binding."""

from __future__ import annotations

import ssl

from . import errors
from .config import Config
from .protocol.certificates import server_end_point
from .protocol.limits import ALPN

#: OpenSSL's codes of a certificate for another name or address.
_OTHER_NAME = (62, 64)


def context(config: Config, mode: str) -> ssl.SSLContext:
    """The settings of TLS for one of the modes that use it.

    Raises:
        InterfaceError: a file cannot be read or used.
    """
    settings = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    settings.minimum_version = ssl.TLSVersion.TLSv1_2
    settings.set_alpn_protocols([ALPN])
    settings.check_hostname = mode == "verify-full"
    settings.verify_mode = ssl.CERT_REQUIRED if mode.startswith("verify-") else ssl.CERT_NONE
    try:
        if settings.verify_mode is ssl.CERT_REQUIRED:
            if config.ca is None:
                settings.load_default_certs()
            else:
                settings.load_verify_locations(config.ca)
        if config.cert is not None:
            settings.load_cert_chain(config.cert, config.key)
    except (OSError, ssl.SSLError) as error:
        text = f"the certificates cannot be used ({config.ca or ''} {config.cert or ''}): {error}"
        raise errors.interface(text, errors.BAD_CONFIGURATION) from error
    return settings


def binding(host: str, chosen: str | None, certificate: bytes | None) -> bytes:
    """Checks the protocol's name and gives the channel binding.

    Raises:
        OperationalError: the server speaks something else.
    """
    if chosen != ALPN:
        raise errors.local("unavailable", f"`{host}` does not speak {ALPN}: is the port right?", retryable=False)
    return server_end_point(certificate or b"")


def explain(host: str, error: Exception) -> errors.Error:
    """A handshake that failed, with the option that may help."""
    hint, code = "", "unavailable"
    if isinstance(error, ssl.SSLCertVerificationError):
        code = "unauthenticated"
        if error.verify_code in _OTHER_NAME:
            hint = "; connect by a name of the certificate, or check less by `tls=verify-ca`"
        else:
            hint = "; name the authority to trust by `ca=` in the URL"
    elif isinstance(error, ssl.SSLError) and "NO_APPLICATION_PROTOCOL" in (error.reason or ""):
        hint = "; it does not speak vitrail/1: is the port right?"
    else:
        hint = "; is the port right? If it speaks plain text, say so by `tls=disable` in the URL"
    return errors.local(code, f"TLS with `{host}` failed: {error}{hint}", retryable=False)


def is_not_tls(error: Exception) -> bool:
    """Whether what the server sent is no TLS, so that ``tls=prefer`` may go on in plain text."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return False
    if isinstance(error, ssl.SSLError):
        reason = error.reason or ""
        return reason in ("WRONG_VERSION_NUMBER", "UNEXPECTED_EOF_WHILE_READING", "RECORD_LAYER_FAILURE") or not reason
    return isinstance(error, (ConnectionResetError, ConnectionAbortedError, EOFError))
