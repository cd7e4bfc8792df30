#!/bin/sh
# Feeds every fuzz target what a fuzzer thinks up, FUZZ_SECONDS (60) in total. Fails at a finding:
# a broken promise, more than 5 s, more than 200 MB.
set -eu
cd "$(dirname "$0")/.."

version=0.13.2
tools=${CARGO_TARGET_DIR:-target}/tools
seconds=${FUZZ_SECONDS:-60}
targets=${FUZZ_TARGETS:-campaign experiment settings compose replies left}

command -v cargo >/dev/null || { echo "fuzz: there is no cargo; https://rustup.rs installs it" >&2; exit 1; }
command -v c++ >/dev/null || { echo "fuzz: there is no C++ compiler (c++), which libFuzzer is built with; 'apt-get install g++' installs one" >&2; exit 1; }
if [ "$("$tools/bin/cargo-fuzz" --version 2>/dev/null)" != "cargo-fuzz $version" ]; then
	cargo install --quiet --locked --root "$tools" --version "$version" cargo-fuzz
fi
fuzz() {
	verb=$1
	shift
	# Without a sanitizer, stable Rust will do.
	CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/fuzz" "$tools/bin/cargo-fuzz" "$verb" --sanitizer none "$@"
}
fuzz build

count=$(echo "$targets" | wc -w)
each=$(((seconds + count - 1) / count))
for target in $targets; do
	echo "fuzz: $target for $each s"
	mkdir -p "fuzz/corpus/$target"
	fuzz run "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
		-max_total_time="$each" -timeout=5 -rss_limit_mb=200 -max_len=20000 -dict=fuzz/words.dict \
		-verbosity=0 -print_final_stats=1
done
