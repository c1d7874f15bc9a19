#!/bin/sh
# Installs what is missing of deps/build.txt, and with "test" of deps/test.txt too, from Debian's packages.
#
#     deps/install.sh [build|test]
#
# With everything there it only asks dpkg, which takes some hundredths of a second. Services that come with a
# package (redis-server listens on 6379) are not started, now or at boot.
set -eu
cd "$(dirname "$0")"

case ${1:-build} in
build) lists=build.txt ;;
test) lists="build.txt test.txt" ;;
*)
    echo "usage: deps/install.sh [build|test]" >&2
    exit 2
    ;;
esac

if ! command -v dpkg-query >/dev/null; then
    echo "deps/install.sh: this is not Debian. Going on; needed is what these name: deps/$lists" >&2
    exit 0
fi

# --- what is missing ----------------------------------------------------------------------------------------

wanted=$(sed 's/#.*//' $lists | awk 'NF { print $1 }')
# shellcheck disable=SC2086  # a list of names
installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $wanted 2>/dev/null | sed -n 's/ installed$//p') || true
missing=
for package in $wanted; do
    case "
$installed
" in
    *"
$package
"*) continue ;;
    esac
    path=$(awk -v package="$package" '$1 == package { print $2 }' $lists)
    if [ -z "$path" ] || [ ! -e "$path" ]; then
        missing="$missing $package"
    fi
done
if [ -z "$missing" ]; then
    exit 0
fi
if [ "$(id -u)" != 0 ]; then
    echo "deps/install.sh: these packages are missing; as root, run" >&2
    echo "    apt-get install --no-install-recommends$missing" >&2
    exit 1
fi
echo "installing$missing"

# --- no services --------------------------------------------------------------------------------------------

# What a package's scripts ask before they start a service (invoke-rc.d); 101 means no.
policy=/usr/sbin/policy-rc.d
saved=$policy.saved-by-dkv

restore_policy() {
    rm -f "$policy"
    if [ -e "$saved" ]; then
        mv "$saved" "$policy"
    fi
}

forbid_services() {
    if [ -e "$saved" ]; then # left by a run that was killed
        restore_policy
    fi
    if [ -e "$policy" ]; then
        mv "$policy" "$saved"
    fi
    trap restore_policy EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
}

# Installing also enables a service for the next boot. One that was there before is left as it was.
disable_service() {
    case " $missing " in
    *" $1 "*) ;;
    *) return 0 ;;
    esac
    if command -v systemctl >/dev/null; then
        systemctl disable "$1" >/dev/null 2>&1 || true
    elif command -v update-rc.d >/dev/null; then
        update-rc.d "$1" disable >/dev/null 2>&1 || true
    fi
}

# --- installing ---------------------------------------------------------------------------------------------

apt() {
    # shellcheck disable=SC2086  # a list of names
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
        -o Dpkg::Options::=--force-confold "$@" $missing
}

forbid_services
# The lists of packages are fetched only where they are missing or too old to install from.
if ! apt --simulate >/dev/null 2>&1 || ! apt; then
    apt-get update -q
    apt
fi
disable_service redis-server
