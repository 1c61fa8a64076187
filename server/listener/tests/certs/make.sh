#!/bin/sh
# Makes the certificates of the tests anew: an authority, a server (signed by SHA-384), and a client named gate-1.
set -eu
cd "$(dirname "$0")"
days=36500
openssl ecparam -name prime256v1 -genkey -noout -out authority.key
openssl req -x509 -new -key authority.key -sha256 -days $days -subj "/CN=vitrail test authority" -out authority.pem
issue() { # name, subject alternative names, hash
    openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1.key"
    printf 'subjectAltName=%s\nbasicConstraints=CA:FALSE\n' "$2" > extensions.txt
    openssl req -new -key "$1.key" -subj "/CN=$1" |
        openssl x509 -req -CA authority.pem -CAkey authority.key -CAcreateserial -"$3" -days $days -extfile extensions.txt -out "$1.pem"
}
issue server "DNS:localhost,IP:127.0.0.1" sha384
issue gate-1 "DNS:gate-1" sha256
rm -f extensions.txt authority.srl authority.key
