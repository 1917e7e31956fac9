# shellcheck shell=bash
# private-server.sh -- a copy of a PostgreSQL installation, to install pg_net in.
# Sourced after common.sh.
#
# Nothing that is tried here reaches the machine's own server: not the library,
# and not an older pg_net that is installed there. A tool that watches memory has
# to be there when a process begins, so a copy may start postgres through it.

dir=
# finish_server: keep the folder only if something went wrong
finish_server() {
	local status=$?
	trap - EXIT
	[ -z "$dir" ] || end_processes "$dir"
	[ -z "$dir" ] || if [ $status = 0 ]; then rm -rf "$dir"; else say "the build and its logs stay in $dir"; fi
	exit $status
}

# make_tree NAME [VARIABLE=value...]: a built copy of the sources in $dir/tree,
# and an empty $dir/reports.
make_tree() {
	local name=$1
	shift
	trap finish_server EXIT
	trap 'exit 130' INT TERM
	dir=$("${as_user[@]}" mktemp -d "${TMPDIR:-/tmp}/pg_net-$name.XXXXXX")
	"${as_user[@]}" chmod 755 "$dir"
	"${as_user[@]}" mkdir "$dir/tree" "$dir/reports"
	copy_tree "$dir/tree"
	build_tree "$dir/tree" with_llvm=no "$@"
}

# make_server LAUNCH: install the built tree into a copy of the server, in
# $dir/server. LAUNCH is a line of shell that runs "$postgres" "$@".
make_server() {
	copy_server "$dir/server" "$1"
	install_tree "$dir/tree" with_llvm=no
}

# copy_server ROOT [LAUNCH]: copy the server of PG_CONFIG to the folder ROOT,
# without its pg_net, and set PG_CONFIG to the copy's.
copy_server() {
	local bindir
	bindir=$("$PG_CONFIG" --bindir)
	# from /, since the user may not be allowed to be here
	(cd / && "${as_user[@]}" bash -euc "$(declare -f copy_server_files); copy_server_files \"\$@\"" - "$PG_CONFIG" "$1" "$bindir" "${2-}") ||
		die "could not copy the server of $bindir to $1"
	PG_CONFIG=$1$bindir/pg_config
}

copy_server_files() {
	local pg_config=$1 root=$2 bindir=$3 launch=$4 from program
	mkdir -p "$root$bindir"
	# programs find all else from where they really are, so no links here; by
	# name, since the folder may be /usr/bin
	for program in "$bindir"/{postgres,postmaster,initdb,psql,pgbench,{create,drop}{db,user},{cluster,reindex,vacuum}db,vacuumlo,oid2name,pg_*}; do
		[ ! -f "$program" ] || cp -L "$program" "$root$bindir"
	done
	for from in --pkglibdir --sharedir --pkgincludedir --includedir-server; do
		from=$("$pg_config" $from)
		mkdir -p "$root$from"
		cp -as --update "$from/." "$root$from"
	done
	rm -rf "$root$("$pg_config" --pkglibdir)"/{,bitcode/}pg_net* "$root$("$pg_config" --sharedir)"/extension/pg_net{--,.}*
	[ -n "$launch" ] || return 0
	mv "$root$bindir/postgres" "$root$bindir/postgres-itself"
	cat >"$root$bindir/postgres" <<-END
		#!/bin/bash
		postgres=$root$bindir/postgres-itself
		# initdb and pg_ctl ask it things that need no watching
		case \${1-} in
			--boot | --single | --check | --version | -V | -C | --describe-config) exec "\$postgres" "\$@" ;;
		esac
		$launch
	END
	chmod 755 "$root$bindir/postgres"
}

# no_messages [CODE]: a library to preload beside a sanitizer's; prints its name.
# libgpg-error, which libldap brings, binds its messages before main(), and with
# a sanitizer that leaves a lock of glibc's taken for ever.  Nobody needs them.
no_messages() {
	echo 'char *bindtextdomain(const char *domain, const char *dir) { (void) domain; (void) dir; return 0; }' "${1-}" |
		"${as_user[@]}" gcc -shared -fPIC -x c -o "$dir/no-messages.so" -
	echo "$dir/no-messages.so"
}

# run_suites [VARIABLE=value...]: make installcheck against the copy
run_suites() {
	(cd "$dir/tree" && PG_TEST_TIMEOUT_DEFAULT=600 "${as_user[@]}" make -s installcheck PG_CONFIG="$PG_CONFIG" "$@")
}
