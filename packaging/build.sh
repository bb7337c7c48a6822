#!/usr/bin/env bash
# Makes what is installed elsewhere, below target/packages: the statically linked program, its manual pages and completions, an
# archive of them, the Debian package, the SBOM, and the checksums of all three. docs/install.md says what is needed.
#
#     packaging/build.sh [archive] [deb] [sbom]                  # without arguments all three
#     TARGET=aarch64-unknown-linux-musl packaging/build.sh       # for another target than this machine's
set -euo pipefail
cd "$(dirname "$0")/.."

name=office365-source
parts=("$@")
[ $# -gt 0 ] || parts=(archive deb sbom)
for part in "${parts[@]}"; do
    case "$part" in archive | deb | sbom) ;; *) echo "usage: $0 [archive] [deb] [sbom]" >&2 && exit 2 ;; esac
done
target="${TARGET:-$(uname -m)-unknown-linux-musl}"
version="$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)"
output=target/packages
mkdir -p "$output"
# Times in the archives are those of the commit: the same files make the same archive.
SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}"
export SOURCE_DATE_EPOCH

wants() {
    local part
    for part in "${parts[@]}"; do [ "$part" = "$1" ] && return; done
    return 1
}

# The page of a command, and those of the commands that it names.
manual() {
    local page below rest
    page="$output/man/$(IFS=-; echo "$name${*:+-$*}").1"
    "$program" man "$@" >"$page"
    for below in $(sed 's/\\-/-/g' "$page" | grep -oE "^$(basename "$page" .1)-[a-z-]+\(1\)" || true); do
        below="${below%(1)}"
        rest="${below#"$(basename "$page" .1)-"}"
        [ "$rest" = help ] || manual "$@" "$rest"
    done
}

if wants archive || wants deb; then
    rustup target list --installed 2>/dev/null | grep -qx "$target" || rustup target add "$target"
    cargo build --locked --package "$name" --profile dist --target "$target"
    program="${CARGO_TARGET_DIR:-target}/$target/dist/$name"
    rm -rf "$output/man" "$output/completions"
    mkdir -p "$output/man" "$output/completions"
    manual
    for shell in bash zsh fish; do "$program" completions "$shell" >"$output/completions/$shell"; done
fi

if wants archive; then
    folder="$name-$version-$target"
    rm -rf "${output:?}/$folder"
    mkdir -p "$output/$folder/packaging"
    cp -r "$program" LICENSE README.md CHANGELOG.md config-examples "$output/man" "$output/completions" "$output/$folder"
    cp -r packaging/systemd "$output/$folder/packaging"
    tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
        -C "$output" -c "$folder" | gzip -n9 >"$output/$folder.tar.gz"
    rm -r "${output:?}/$folder"
fi

if wants deb; then
    cargo deb --package "$name" --no-build --no-strip --profile dist --target "$target" --output "$output/"
fi

if wants sbom; then
    # Of a copy of the manifest: cargo-cyclonedx also lists what only tests and other members of the workspace need, and the
    # paths of this machine.
    copy="$(mktemp -d)"
    trap 'rm -rf "$copy"' EXIT
    awk '/^\[/ { keep = $0 !~ /^\[(dev-dependencies|workspace|\[bench)/ } keep' Cargo.toml >"$copy/Cargo.toml"
    cp -r Cargo.lock src "$copy"
    cargo cyclonedx --quiet --manifest-path "$copy/Cargo.toml" --format json --spec-version 1.5 --no-build-deps --target "$target" \
        --override-filename sbom
    sed "s|path+file://$copy|path+file://.|g" "$copy/sbom.json" >"$output/$name-$version-$target.cdx.json"
fi

cd "$output"
find . -maxdepth 1 -type f \( -name '*.tar.gz' -o -name '*.deb' -o -name '*.cdx.json' \) -printf '%P\n' | sort | xargs sha256sum >SHA256SUMS
cat SHA256SUMS
