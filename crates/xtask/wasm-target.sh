#!/usr/bin/env bash
# Make `cargo build --target wasm32-unknown-unknown` work for the active rustc.
#   1. the target's std is already usable        -> exit at once (~0.1 s)
#   2. rustup target add (bounded)               -> the ordinary developer's machine
#   3. Debian's rust-src of the same rustc version, std compiled once (~1 min, 2 cores)
#                                                -> a Debian machine without rustup's server
# Idempotent. Knobs: WASM_SETUP_RUSTUP_TIMEOUT (seconds, default 120),
# WASM_SETUP_SKIP_RUSTUP=1, WASM_SETUP_SUITES, WASM_SETUP_LIBRARY_SRC (a ready library/ folder).
set -euo pipefail
T=wasm32-unknown-unknown
say() { echo "wasm-target: $*" >&2; }
die() { say "$*"; exit 1; }

W=$(mktemp -d); trap 'rm -rf "$W"' EXIT
usable() { # compiles AND links (needs core, std, compiler_builtins of this very rustc)
    echo 'fn main() { println!("{:?}", vec![1u8].iter().sum::<u8>()) }' > "$W/p.rs"
    rustc --edition 2021 --target $T -o "$W/p.wasm" "$W/p.rs" 2> "$W/err"
}
command -v rustc > /dev/null || die "no rustc on PATH"
usable && exit 0

LIBDIR=$(rustc --print target-libdir --target $T)
BIN=$(rustc --print sysroot)/bin
VER=$(rustc -vV | sed -n 's/^release: //p')
HASH=$(rustc -vV | sed -n 's/^commit-hash: //p')
HOST=$(rustc -vV | sed -n 's/^host: //p')
# What an earlier run built and this rustc cannot use (toolchain updated in place, or rustup's own copy
# came beside it, E0464) goes; only the files that run listed, never rustup's.
if [ -e "$LIBDIR/.built-from-source" ]; then
    say "removing the unusable std built earlier"
    (cd "$LIBDIR" && grep '^lib[A-Za-z0-9_.-]*\.rlib$' .built-from-source | xargs rm -f -- .built-from-source)
    usable && { say "$T: ready"; exit 0; }
fi

if [ -z "${WASM_SETUP_SKIP_RUSTUP:-}" ] && command -v rustup > /dev/null; then
    say "trying rustup target add $T"
    lim=; command -v timeout > /dev/null && lim="timeout ${WASM_SETUP_RUSTUP_TIMEOUT:-120}"
    if RUST_BACKTRACE=0 $lim rustup target add $T > "$W/rustup.log" 2>&1 && usable; then
        say "$T: installed by rustup"; exit 0
    fi
    say "rustup could not: $(grep -m1 -iE 'error|warn' "$W/rustup.log" || echo 'no answer in time')"
fi

# --- the source route -------------------------------------------------------------------
mkdir -p "$LIBDIR" && [ -w "$LIBDIR" ] || die "cannot write $LIBDIR"
exec 9> "$LIBDIR/../.setup.lock"
if command -v flock > /dev/null; then flock 9; usable && { say "$T: ready"; exit 0; }; fi

SRC=${WASM_SETUP_LIBRARY_SRC:-}
if [ -z "$SRC" ]; then
    command -v apt-get > /dev/null && command -v dpkg-deb > /dev/null ||
        die "neither rustup nor Debian's apt can give std for $T (rustc $VER)"
    case $VER in *-*) die "rustc $VER is not a release: Debian has no matching rust-src";; esac
    # The mirror and keyring this machine already uses, in a private apt state: nothing of the system's changes.
    # (--print-uris asks no server and needs no lists)
    URI=$(apt-get --print-uris update 2> /dev/null | sed -n "s#^'\(.*/debian\)/dists/.*#\1#p" | sort -u | head -n1) || true
    [ -n "$URI" ] || die "no Debian mirror among this machine's apt sources"
    KEY=/usr/share/keyrings/debian-archive-keyring.gpg
    A="$W/apt"; mkdir -p "$A/lists/partial" "$A/cache/archives/partial"; : > "$A/sources.list"
    chmod 755 "$W"
    O=(-o Dir::Etc::sourcelist="$A/sources.list" -o Dir::Etc::sourceparts=/dev/null
       -o Dir::Etc::preferencesparts=/dev/null
       -o Dir::State::Lists="$A/lists" -o Dir::Cache="$A/cache" -o Acquire::Languages=none
       -o Acquire::Retries=2 -o Acquire::http::Timeout=30 -o APT::Sandbox::User=root)
    PKG=
    for suite in ${WASM_SETUP_SUITES:-trixie-backports trixie sid bookworm-backports experimental}; do
        echo "deb [signed-by=$KEY] $URI $suite main" > "$A/sources.list"
        apt-get "${O[@]}" -qq update > "$W/apt.log" 2>&1 || { say "apt: $suite: $(tail -n1 "$W/apt.log")"; continue; }
        PKG=$(apt-cache "${O[@]}" madison rust-src | awk -F' *[|] *' -v v="$VER" 'index($2, v "+") == 1 { print $2; exit }')
        [ -n "$PKG" ] && break
    done
    [ -n "$PKG" ] || die "Debian has no rust-src $VER now (suites tried: ${WASM_SETUP_SUITES:-the defaults}); set WASM_SETUP_LIBRARY_SRC to a rust $VER library/ folder"
    say "building std from Debian's rust-src $PKG ($suite)"
    (cd "$W" && apt-get "${O[@]}" -qq download "rust-src=$PKG" > "$W/apt.log" 2>&1) || die "download: $(tail -n1 "$W/apt.log")"
    mkdir "$W/src"
    dpkg-deb --fsys-tarfile "$W"/rust-src_*.deb | tar -x -C "$W/src" --strip-components=5 \
        --exclude='*/library/vendor' "./usr/src/rustc-$VER/library"
    SRC="$W/src"
else
    say "building std from $SRC"; cp -a "$SRC" "$W/src"; SRC="$W/src"
fi
[ -f "$SRC/sysroot/Cargo.toml" ] && [ -f "$SRC/Cargo.lock" ] || die "$SRC is no rust library/ folder"

# As rust's own bootstrap builds it: the "dist" profile (opt 3, one codegen unit, bitcode kept, so a user's lto works).
# Run from $SRC, out of sight of the project's .cargo/config.toml, with the caller's flags unset.
(
    cd "$SRC"
    unset CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_RUSTFLAGS CARGO_BUILD_TARGET CARGO_TARGET_DIR RUSTC_WRAPPER RUSTC_WORKSPACE_WRAPPER
    # the very compiler found above, whatever rust-toolchain.toml is or is not in sight from $SRC
    [ -x "$BIN/cargo" ] && export PATH="$BIN:$PATH" RUSTC="$BIN/rustc"
    RUSTC_BOOTSTRAP=1 __CARGO_DEFAULT_LIB_METADATA=wasmstd \
    RUSTFLAGS="-Zforce-unstable-if-unmarked --remap-path-prefix=$SRC=/rustc/$HASH/library" \
        cargo build --locked --profile dist --target $T --manifest-path sysroot/Cargo.toml \
        --target-dir "$W/target" > "$W/build.log" 2>&1
) || { tail -n 30 "$W/build.log" >&2; die "std did not build"; }

NEW="$LIBDIR.new.$$"; rm -rf "$NEW"; mkdir "$NEW"
cp "$W/target/$T/dist/deps/"lib*.rlib "$NEW/"
rm -f "$NEW"/libsysroot-*.rlib
(cd "$NEW" && { echo "# rustc $VER $HASH host $HOST, std source: ${PKG:-$WASM_SETUP_LIBRARY_SRC}"; ls lib*.rlib; } > "$W/marker")
mv "$W/marker" "$NEW/.built-from-source"
rm -rf "$LIBDIR"; mv "$NEW" "$LIBDIR"
usable || { cat "$W/err" >&2; die "std was built, but rustc cannot use it"; }
say "$T: built from source into $LIBDIR"
