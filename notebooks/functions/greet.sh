handler() {
    local name calls
    name=$(sed -n 's/.*"name": *"\([^"]*\)".*/\1/p' <<<"$1")
    [ -n "$name" ] || return 1
    calls=$(($(cat /tmp/calls 2>/dev/null || echo 0) + 1))
    echo "$calls" > /tmp/calls
    echo "{\"greeting\": \"Hello, $name!\", \"calls\": $calls}"
}
