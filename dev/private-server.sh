# shellcheck shell=bash
# private-server.sh -- tests on a copy of the server that runs below a tool.
# Sourced after common.sh, by dev/sanitize and dev/valgrind.
#
# A tool that watches memory has to be there when the process begins, so
# postgres is started through it.  The tests start it as ever, by its name.

dir=
# finish_server: keep the folder only if something went wrong
finish_server() {
	local status=$?
	trap - EXIT
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

# make_server LAUNCH: copy the server of PG_CONFIG into $dir/server and set
# PG_CONFIG to the copy's.  LAUNCH is a line of shell that runs "$postgres" "$@".
make_server() {
	local bindir
	bindir=$("$PG_CONFIG" --bindir)
	"${as_user[@]}" bash -c "$(declare -f copy_server); copy_server \"\$@\"" - "$PG_CONFIG" "$dir/server" "$bindir" "$1"
	PG_CONFIG=$dir/server$bindir/pg_config
	make -s -C "$dir/tree" install with_llvm=no PG_CONFIG="$PG_CONFIG" >"$dir/install.log" ||
		die "make install into $dir/server failed: see $dir/install.log"
}

copy_server() {
	local pg_config=$1 root=$2 bindir=$3 launch=$4 from
	mkdir -p "$root$bindir"
	# programs find all else from where they really are, so no links here
	cp -L "$bindir"/* "$root$bindir"
	for from in --pkglibdir --sharedir --pkgincludedir --includedir-server; do
		from=$("$pg_config" $from)
		mkdir -p "$root$from"
		cp -as --update "$from/." "$root$from"
	done
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
