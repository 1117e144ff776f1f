#!/bin/sh
# Builds the fuzz targets with the stable toolchain and runs one of them: see README.md.
#
#   fuzz/run.sh TARGET [libFuzzer options]     fuzz, 10 minutes unless -max_total_time says otherwise
#   fuzz/run.sh --merge TARGET [options]       keep inputs that reach code no kept one reaches
set -eu
cd "$(dirname "$0")"

merge=
if [ "${1:-}" = --merge ]; then
    merge=yes
    shift
fi
case "${1:-}" in
    lines | message | sse | translate) target=$1 && shift ;;
    *)
        echo "usage: fuzz/run.sh [--merge] lines|message|sse|translate [libFuzzer options]" >&2
        exit 2
        ;;
esac

# What cargo-fuzz passes, less the sanitizer that needs a nightly compiler: safe Rust panics where C would corrupt.
host=$(rustc -vV | sed -n 's/^host: //p')
coverage="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
coverage="$coverage -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
coverage="$coverage -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
# With --target the flags stay away from build scripts, which have no counters to report to.
RUSTFLAGS="$coverage -Ccodegen-units=1 --cfg fuzzing" \
    cargo build --quiet --release --target "$host" --bin "$target"
program=${CARGO_TARGET_DIR:-target}/$host/release/$target

kept=../crates/wire/tests/corpus/$target
grown=${CORPUS:-target/corpus}/$target
mkdir -p "$kept" "$grown" artifacts
limits="-rss_limit_mb=2048 -timeout=10 -max_len=4096 -dict=dict/$target.dict"
if [ -n "$merge" ]; then
    # shellcheck disable=SC2086
    exec "$program" -set_cover_merge=1 -use_counters=0 $limits "$@" "$kept" "$grown"
fi
# shellcheck disable=SC2086
exec "$program" -max_total_time=600 $limits -artifact_prefix="artifacts/$target-" "$@" "$grown" "$kept"
