#!/bin/sh
# Stands in for the `modal` program: notes what it is asked, and answers from the files beside it.
# `block.WORD` makes it hang at that first word, `fail.WORD` makes it fail with the file's text.
here=$(dirname "$0")
echo "$*" >> "$here/calls"
env | grep '^QMD_MODAL_' | sort > "$here/env.$1"
pwd > "$here/folder.$1"
if [ -e "$here/block.$1" ]; then
    echo "$$" > "$here/pid"
    exec sleep 1000
fi
if [ -e "$here/fail.$1" ]; then
    cat "$here/fail.$1" >&2
    exit 1
fi
case "$*" in
--version) echo "modal client version: $(cat "$here/version")" ;;
"config show --json") cat "$here/config" ;;
"app list --json") cat "$here/apps" ;;
"container list --app-id ap-1 --json") cat "$here/containers" ;;
"deploy serve.py") ls; echo "deployed in 3 s" ;;
"server info qmd/inference --json") echo "{\"server_url\": \"$(cat "$here/url")\", \"routing_region\": \"eu-west\"}" ;;
"workspace proxy-tokens create --name qmd --json")
    echo '{"Modal-Key": "wk-key", "Modal-Secret": "ws-secret", "Authorization": "Bearer wk-key.ws-secret"}' ;;
"app stop qmd --yes") ;;
"app logs qmd"*) echo "a line of the log"; echo "another" >&2 ;;
*) echo "Error: no such command: $*" >&2; exit 2 ;;
esac
