# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the setup scripts share. A setup script sources this file and then calls `prepare NAME PACKAGE... -- "$@"`.
#
# Sets: here (the example's folder), dir (the instance, made, absolute), user (who the pool runs as).

user=${LWC_EXAMPLE_USER:-www-data}

# Installs the packages that are absent; needs root only then.
need_packages() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    if ((${#missing[@]} == 0)); then return; fi
    if ((EUID != 0)); then
        echo "setup: needs these packages, and only root can install them: ${missing[*]}" >&2
        exit 1
    fi
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600)
    "${apt[@]}" update >&2
    "${apt[@]}" install --no-install-recommends "${missing[@]}" >&2
}

prepare() {
    local packages=()
    while [[ $1 != -- ]]; do packages+=("$1"); shift; done
    shift
    if (($# != 1)) || [[ $1 == -* ]]; then
        echo "usage: $0 DIR      makes an instance of this example in DIR; harmless to repeat" >&2
        exit 64
    fi
    need_packages "${packages[@]}"
    here=$(cd "$(dirname "${BASH_SOURCE[1]}")" && pwd)
    mkdir -p "$1"
    dir=$(cd "$1" && pwd)
}

# Makes folders that the application writes to, below the instance.
writable() {
    local folder
    for folder in "$@"; do
        mkdir -p "$dir/$folder"
        chmod 0775 "$dir/$folder"
    done
    if ((EUID == 0)); then (cd "$dir" && chown -R "$user:$user" "$@"); fi
}

# Runs a command as the user that the pool runs as, so that what it writes can be written again.
as_user() {
    if ((EUID == 0)); then setpriv --reuid="$user" --regid="$user" --clear-groups -- "$@"; else "$@"; fi
}

# Writes $dir/nginx.conf from the example's nginx.conf, whose @DIR@ is the instance.
nginx_snippet() {
    sed "s|@DIR@|$dir|g" "$here/nginx.conf" >"$dir/nginx.conf"
}
