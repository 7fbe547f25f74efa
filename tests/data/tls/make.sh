#!/bin/sh
# Makes the certificates of this directory anew: keys for tests and for nothing else, valid from 2020 to 2100.
#
#   authority      signs all below but the last two; its key is thrown away
#   server         localhost, 127.0.0.1, ::1, server
#   client         "alice" of many parts; client-locked.key is its key under the password "open sesame"
#   expired        as server, until 2021
#   elsewhere      as server, for elsewhere.example
#   stranger       as server, by another authority that nobody knows
#   self-signed    as server, by itself
#   intermediate   an authority below another one, which nobody has; signs `below`, which is as server
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -f ./*.pem ./*.key

cat >"$work/config" <<CONFIG
[ca]
default_ca = here
[here]
new_certs_dir = $work
database = $work/index
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
email_in_dn = no
[any]
countryName = optional
stateOrProvinceName = optional
localityName = optional
organizationName = optional
organizationalUnitName = optional
commonName = supplied
[req]
distinguished_name = dn
[dn]
[signer]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical, CA:FALSE
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
CONFIG
: >"$work/index"

key() { openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1"; }

# sign NAME SUBJECT END EXTENSIONS ARGUMENTS...: NAME.pem for the key NAME.key
sign() {
    name=$1 subject=$2 end=$3 extensions=$4
    shift 4
    cp "$work/config" "$work/with-extensions"
    printf '%s\n' "$extensions" >>"$work/with-extensions"  # they go on with the section [leaf]
    openssl req -new -config "$work/config" -key "$name.key" -subj "$subject" -utf8 -out "$work/request"
    openssl ca -batch -notext -config "$work/with-extensions" -in "$work/request" -out "$name.pem" \
        -startdate 20200101000000Z -enddate "$end" -utf8 "$@"
}

authority() {
    key "$work/$1.key"
    openssl req -new -config "$work/config" -key "$work/$1.key" -subj "$2" -out "$work/request"
    openssl ca -batch -notext -config "$work/config" -in "$work/request" -out "$3" -selfsign -extensions signer \
        -keyfile "$work/$1.key" -startdate 20200101000000Z -enddate 21000101000000Z
}

authority authority "/O=amqp-reactor tests/CN=authority for tests" authority.pem
authority stranger "/O=amqp-reactor tests/CN=authority that nobody knows" "$work/stranger.pem"
key "$work/intermediate.key"
openssl req -new -config "$work/config" -key "$work/intermediate.key" -subj "/CN=authority below" -out "$work/request"
openssl ca -batch -notext -config "$work/config" -in "$work/request" -out intermediate.pem -extensions signer \
    -cert "$work/stranger.pem" -keyfile "$work/stranger.key" -startdate 20200101000000Z -enddate 21000101000000Z
by_authority="-extensions leaf -cert authority.pem -keyfile $work/authority.key"
by_intermediate="-extensions leaf -cert intermediate.pem -keyfile $work/intermediate.key"
by_stranger="-extensions leaf -cert $work/stranger.pem -keyfile $work/stranger.key"

for name in server client expired elsewhere stranger self-signed below; do key "$name.key"; done

here="extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, DNS:server, IP:127.0.0.1, IP:::1"
there="extendedKeyUsage = serverAuth
subjectAltName = DNS:elsewhere.example"
person="/C=CZ/ST=Moravia/L=Brno/O=amqp-reactor tests/OU=Unit/CN=alice"

# shellcheck disable=SC2086  # the arguments are words
{
    sign server /CN=localhost 21000101000000Z "$here" $by_authority
    sign client "$person" 21000101000000Z "extendedKeyUsage = clientAuth" $by_authority
    sign expired /CN=localhost 20210101000000Z "$here" $by_authority
    sign elsewhere /CN=elsewhere.example 21000101000000Z "$there" $by_authority
    sign stranger /CN=localhost 21000101000000Z "$here" $by_stranger
    sign below /CN=localhost 21000101000000Z "$here" $by_intermediate
    sign self-signed /CN=localhost 21000101000000Z "$here" -selfsign -extensions leaf -keyfile self-signed.key
}
openssl pkcs8 -topk8 -v2 aes-256-cbc -passout "pass:open sesame" -in client.key -out client-locked.key
chmod 644 ./*.key
