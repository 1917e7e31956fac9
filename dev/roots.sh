# shellcheck shell=bash
# roots.sh -- root file systems of releases of Debian, to try things in.
# Sourced after common.sh.
#
# Each suite, a name for debootstrap, has its root in PGNET_MATRIX_DIR
# (/var/cache/pg_net-matrix), which stays, with its packages, and is made anew
# after PGNET_MATRIX_DAYS (14) days. PGNET_MATRIX_MIRROR is a mirror for
# debootstrap, which else takes its own.

roots=${PGNET_MATRIX_DIR:-/var/cache/pg_net-matrix}
days=${PGNET_MATRIX_DAYS:-14}

# be_root ARGUMENT...: go on as root, with the script's arguments, or skip it.
be_root() {
	if [ "$(id -u)" != 0 ]; then
		can_be_root || skip "debootstrap needs root"
		exec "${as_root[@]}" env PGNET_MATRIX_DIR="$roots" PGNET_MATRIX_DAYS="$days" \
			PGNET_MATRIX_MIRROR="${PGNET_MATRIX_MIRROR-}" "dev/${0##*/}" "$@"
	fi
	unshare --mount --pid --fork true 2>/dev/null || skip "no namespaces for root here"
	PATH=$PATH:/usr/sbin:/sbin
	mkdir -p "$roots"
}

# take_root SUITE: make its root, $root, unless there is one that is new enough,
# and keep others out of it until leave_root. Status 1: failed; 77: its mirror
# cannot be reached.
take_root() {
	root=$roots/$1
	exec {lock}>"$root.lock"
	flock "$lock"
	make_root "$1"
}
leave_root() { exec {lock}>&-; }

make_root() {
	local suite=$1 log=$root.log
	[ -z "$(find "$root/made" -mtime "-$days" 2>/dev/null)" ] || return 0
	dev/install-deps matrix || return 1
	say "$suite: debootstrap into $root"
	rm -rf "$root" "$root.new"
	if ! debootstrap --variant=minbase "$suite" "$root.new" ${PGNET_MATRIX_MIRROR:+"$PGNET_MATRIX_MIRROR"} >"$log" 2>&1; then
		! grep -qE "^E: (Failed getting release file|Invalid Release file|Couldn't download)" "$log" || return "$SKIPPED"
		tail -n 15 "$log"
		return 1
	fi
	# the processes in there are seen here, and services are not to start
	printf '#!/bin/sh\nexit 101\n' >"$root.new/usr/sbin/policy-rc.d"
	chmod 755 "$root.new/usr/sbin/policy-rc.d"
	echo force-unsafe-io >"$root.new/etc/dpkg/dpkg.cfg.d/fast"
	[ -s "$root.new/etc/hosts" ] || echo "127.0.0.1 localhost" >"$root.new/etc/hosts"
	# how this machine reaches mirrors
	apt-config dump 2>/dev/null | grep -E '^Acquire::(https?::Proxy|Retries|Check-)' >"$root.new/etc/apt/apt.conf.d/90host" || true
	touch "$root.new/made"
	mv "$root.new" "$root"
}

# copy_to_root DIR: a clean copy of the sources, as root's, in a folder of $root.
copy_to_root() {
	rm -rf "${root:?}$1"
	mkdir -p "$root$1"
	source_files | tar -c --null --no-recursion -T - -f - | tar -x --no-same-owner -f - -C "$root$1"
}

# enter COMMAND: run a command with $root as its root file system, and with
# processes of its own, which end with it. Not with chroot: there the kernel
# refuses user namespaces, which tests make.
enter() {
	# unshare ignores signals, but not the end of this
	setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --propagation private bash -euc '
		mount --bind "$1" "$1"
		cd "$1"
		mount -t proc proc proc
		mount --rbind /sys sys
		mount --rbind /dev dev
		cat /etc/resolv.conf >etc/resolv.conf 2>/dev/null || true
		pivot_root . .
		umount -l .
		cd /
		# this shell stays, to bury orphans
		env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
			DEBIAN_FRONTEND=noninteractive ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
			bash -c "$2" || exit
		exit 0' - "$root" "$1"
}
