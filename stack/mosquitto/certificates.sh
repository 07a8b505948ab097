#!/bin/sh
# Makes an authority and the broker's certificate, both valid for ten years:  certificates.sh HOST [FOLDER]
# HOST is the name or IP address under which the edges reach the broker. A second run keeps the authority.
set -eu
host=${1:?usage: certificates.sh HOST [FOLDER]}
folder=${2:-secrets}
case $host in
    *[!0-9.]*:* | *:*) kind=IP ;;
    *[!0-9.]*) kind=DNS ;;
    *) kind=IP ;;
esac
umask 077
mkdir -p "$folder"
cd "$folder"
if [ ! -e ca.key ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=Tagtrail broker authority" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign -keyout ca.key -out ca.crt
fi
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$host" -keyout server.key -out server.csr
printf 'subjectAltName=%s:%s\nextendedKeyUsage=serverAuth\nauthorityKeyIdentifier=keyid\n' "$kind" "$host" > server.ext
openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 3650 -extfile server.ext -out server.crt
rm server.csr server.ext
chmod 644 ca.crt server.crt
echo "the edges need $folder/ca.crt; keep $folder/ca.key where nobody gets at it"
