# shellcheck shell=bash
# What the scripts of the test bed share: where things are, how they speak.

vm_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$vm_dir/../.." && pwd)
build=$top/build
root=$build/debian13
cache=${XDG_CACHE_HOME:-$HOME/.cache}/kproxy
# Its users are the scripts that source this file.
: "$root" "$cache"

say() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die() {
	say "$*"
	exit 1
}

# The device alone proves nothing: one that emulates what the processor would
# have to do stops the guest at the first odd instruction.
have_kvm() {
	[[ -w /dev/kvm ]] && grep -qwE 'vmx|svm' /proc/cpuinfo
}

# not_installed PACKAGE... prints those that this machine does not have.
not_installed() {
	local package

	for package; do
		dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null |
			grep -qx installed || echo "$package"
	done
}

# install_packages PACKAGE... on this machine, as root; none is nothing to do.
install_packages() {
	(($#)) || return 0
	((EUID == 0)) || die "as root: apt-get install $*"
	say "installing $*"
	export DEBIAN_FRONTEND=noninteractive
	apt-get -qq update
	apt-get -qq install --no-install-recommends "$@" >/dev/null
}

# Hold a lock of that name until this process ends. Several "make vm" may run
# at once, and all of them first want the same files.
lock() {
	local fd

	mkdir -p "$build/lock"
	exec {fd}>"$build/lock/$1"
	flock -w 2 "$fd" || {
		say "waiting for another process to finish: $1"
		flock "$fd"
	}
}

# self_made KERNEL: it is not Debian's, but built here.
self_made() {
	[[ $1 == @(kunit|debug|kcsan|um|um-debug) ]]
}

# user_mode KERNEL: it is User Mode Linux, which runs as a process of this machine.
user_mode() {
	[[ $1 == um || $1 == um-* ]]
}

# series KERNEL prints the series of Debian's kernel that a self-made one is made
# of. Older ones have no User Mode Linux with two processors.
series() {
	if user_mode "$1"; then echo 7.3; else echo 6.12; fi
}

# fragments VARIANT prints the files that a self-made kernel's configuration is
# made of.
fragments() {
	local names

	case $1 in
	kunit) names=(base qemu) ;;
	kcsan) names=(base qemu kcsan) ;;
	debug) names=(base qemu debug debug-qemu) ;;
	um) names=(base um) ;;
	um-debug) names=(base um debug debug-um) ;;
	*) die "no such kernel variant: $1" ;;
	esac
	names=("${names[@]/#/$vm_dir/}")
	printf '%s\n' "${names[@]/%/.config}"
}

# The build tree of a self-made kernel. Its name says what it was made of, so
# that a changed option or a new version of Debian's gives a new kernel.
kernel_tree() {
	local variant=$1 files hash

	mapfile -t files < <(fragments "$variant")
	[[ ${files[*]} ]] || exit 1
	# Debian builds image and source from one version.
	hash=$({
		grep -h '^CONFIG_' "${files[@]}" | sort
		cat "$build/kernel/$(series "$variant")/version"
		! user_mode "$variant" || cat "$vm_dir/um.patch"
	} | sha256sum)
	echo "$cache/linux-$variant-${hash:0:12}"
}
