# shellcheck shell=bash
# common.sh -- what the scripts in dev/ share. Sourced, never run.
#
# It moves to the top of the tree, forgets settings of the caller's make and
# psql that would leak into ours, and finds out which account may do what:
#
#   "${as_root[@]}" command    with the rights to install (root, or sudo)
#   "${as_user[@]}" command    as somebody PostgreSQL agrees to run as

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
unset MAKEFLAGS MFLAGS MAKELEVEL GNUMAKEFLAGS \
	PGHOST PGHOSTADDR PGPORT PGUSER PGDATABASE PGDATA PGOPTIONS PGSERVICE PGPASSWORD
export PG_CONFIG=${PG_CONFIG:-pg_config}

# What a script ends with when there is nothing here that it could check: it
# says why in its last line, and is counted as skipped.
SKIPPED=77

say() { printf '== %s\n' "$*"; }
die() {
	printf '%s: %s\n' "dev/${0##*/}" "$*" >&2
	exit 1
}
skip() {
	say "skipped: $*"
	exit $SKIPPED
}

if [ "$(id -u)" = 0 ]; then
	user=postgres
	id -u "$user" >/dev/null 2>&1 || user=nobody
	as_root=(env)
	as_user=(setpriv "--reuid=$user" "--regid=$(id -g "$user")" --init-groups env HOME=/nonexistent)
	can_be_root() { true; }
else
	user=$(id -un)
	as_root=(sudo -n)
	as_user=(env)
	can_be_root() { sudo -n true 2>/dev/null; }
fi

"${as_user[@]}" test -w "${TMPDIR:-/tmp}" || unset TMPDIR

# server_name: which server PG_CONFIG is of, and that there are others to choose.
server_name() {
	local bindir other others=()
	bindir=$("$PG_CONFIG" --bindir)
	for other in /usr/lib/postgresql/*/bin/pg_config; do
		[ ! -x "$other" ] || [ "$other" = "$bindir/pg_config" ] || others+=("$other")
	done
	echo "$("$PG_CONFIG" --version) in $bindir${others[*]:+ (PG_CONFIG= picks another: ${others[*]})}"
}

# The clang to take, of several.
clang() { command -v clang-14 || command -v clang; }

# The files somebody would commit: from git when there is a repository, else
# (an exported archive) everything that is not a build product.
source_files() {
	if [ -e .git ] && command -v git >/dev/null; then
		git -c safe.directory="$PWD" ls-files -z --cached --others --exclude-standard
	else
		find . -type f -not -path './.git/*' -not -path '*/tmp_check/*' -not -path './test/results/*' \
			-not -path './output_iso/*' -not -path '*/node_modules/*' -not -name '*.o' -not -name '*.so' -not -name '*.bc' -not -name '*.d' \
			-not -name '*.pyc' -not -name "$(built_sql)" -not -name 'pg_net--0*.sql' -printf '%P\0'
	fi | perl -0lne 'print if -e || -l'
}

# The install script that make assembles: a build product, as are those that
# update from versions before 1.0, beside real files.
built_sql() { sed -n "s/^default_version = '\(.*\)'/pg_net--\1.sql/p" pg_net.control; }

# copy_tree DIR: a clean copy of the sources, owned by the unprivileged user.
copy_tree() {
	source_files | tar -c --null --no-recursion -T - -f - | "${as_user[@]}" tar -x --no-same-owner -f - -C "$1"
}

# copy_test_libraries DIR: and the libraries of test/npm, if dev/install-deps got them.
copy_test_libraries() {
	[ ! -d test/npm/node_modules ] || tar -c -f - test/npm/node_modules | "${as_user[@]}" tar -x --no-same-owner -f - -C "$1"
}

# build_tree DIR [VARIABLE=value...]: compile a copy.
build_tree() {
	local dir=$1
	shift
	"${as_user[@]}" make -s -C "$dir" -j"$(nproc)" PG_CONFIG="$PG_CONFIG" \
		${CURL_CONFIG:+CURL_CONFIG="$CURL_CONFIG"} "$@"
}

# install_tree DIR [VARIABLE=value...]: put a built copy where the private
# server of PG_CONFIG looks for extensions.
install_tree() {
	local dir=$1
	shift
	"${as_user[@]}" make -s -C "$dir" install PG_CONFIG="$PG_CONFIG" ${CURL_CONFIG:+CURL_CONFIG="$CURL_CONFIG"} "$@" >/dev/null ||
		die "make install into $("$PG_CONFIG" --pkglibdir) failed (see above)"
}

# end_processes DIR: a test that was killed may leave processes behind. Ends
# those that run in the folder, or a program of it, and says which.
end_processes() {
	local pid
	for pid in $(processes_in "$1"); do
		say "left behind, and ended: process $pid ($(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | cut -c 1-100))"
		kill "$pid" 2>/dev/null || true
	done
	for _ in {1..100}; do
		[ -n "$(processes_in "$1")" ] || return 0
		sleep 0.05
	done
	for pid in $(processes_in "$1"); do
		kill -KILL "$pid" 2>/dev/null || true
	done
}
processes_in() {
	local process
	for process in /proc/[0-9]*; do
		[[ $(readlink "$process/cwd" "$process/exe" 2>/dev/null) != *"$1/"* ]] || echo "${process#/proc/}"
	done
}
