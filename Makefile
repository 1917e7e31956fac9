# pg_net: asynchronous HTTP from PostgreSQL
#
#   make, make install        build and install; PG_CONFIG=... picks the server
#   make installcheck         run the tests against the installed build, in
#                             clusters of their own (not as root)
#   make test                 everything: packages, build, all tests, in a copy
#                             of the server; TESTS='VARIABLE=value...' chooses
#                             tests as for make installcheck
#   make matrix               make test on other releases of Debian; SUITES=
#                             names them (trixie sid)
#   make torture              hundreds of faults under load, and the ledger of
#                             what was sent and called; after make install, not
#                             as root; ROUNDS=, SECONDS= and PGNET_SEED= bound
#                             it
#   make soak                 the same load for SECONDS= (3600), and whether
#                             memory, descriptors and tables grew; likewise
#   make quickstart           a private server to play with
#   make bench                what a request costs, beside a bare libcurl loop;
#                             after make install; BASELINE_PG_CONFIG=... adds
#                             another installation to compare with
#   make analyze              read the C sources with static analysers
#   make sanitize             tests with AddressSanitizer and UBSan
#   make valgrind             tests with every server process in memcheck
#   make fuzz                 libFuzzer on what parses bytes of others
#   make format               lay out the C sources (clang-format)
#   make dist                 pg_net-VERSION.zip of the last commit, for PGXN
#
# make -f .../pg_net/Makefile builds in the folder it is called in.

# where this file is; with a slash at its end
here := $(dir $(firstword $(MAKEFILE_LIST)))

EXTENSION = pg_net
EXTVERSION := $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" '$(here)pg_net.control')

MODULE_big = pg_net
OBJS := $(patsubst $(here)%.c,%.o,$(sort $(wildcard $(here)src/*.c $(here)src/*/*.c $(here)src/*/*/*.c)))
DATA_built = sql/pg_net--$(EXTVERSION).sql $(UPDATES)
# versions of the public pg_net that are updated from where they are
OLD_VERSIONS = 0.14.0 $(addprefix 0.19.,0 1 2 3 4 5 6 7) $(addprefix 0.20.,0 1 2 3 4 5)
UPDATES = $(OLD_VERSIONS:%=sql/pg_net--%--$(EXTVERSION).sql)
DATA = $(patsubst $(here)%,%,$(filter-out $(addprefix $(here),$(DATA_built)),$(wildcard $(here)sql/pg_net--*--*.sql)))
EXTRA_CLEAN = $(DATA_built) $(OBJS:.o=.d) tmp_check test/results output_iso

# What a compiler or a tool is missing is said when it is needed, not by make.
# Of libcurl only the URL parser is used.
CURL_CONFIG = curl-config
PG_CPPFLAGS = -I$(here)src $(shell $(CURL_CONFIG) --cflags 2>/dev/null) -DPGNET_VERSION='"$(EXTVERSION)"'
PG_CFLAGS = $(WARNINGS) $(if $(findstring clang,$(CC)),$(CLANG_CFLAGS))
# PostgreSQL passes on what the compiler that built it knows, gcc as a rule
CLANG_CFLAGS = -Wno-unknown-warning-option -Wno-ignored-attributes -Wno-ignored-optimization-argument
SHLIB_LINK = $(shell $(CURL_CONFIG) --libs 2>/dev/null) -lcares -lnghttp2 -lssl -lcrypto -lz

# What the tests print must not depend on where they run.
ENCODING = UTF8
NO_LOCALE = 1
REGRESS = $(basename $(notdir $(sort $(wildcard $(here)test/sql/*.sql))))
REGRESS_OPTS = --inputdir=$(here)test --outputdir=tmp_check/regress --launcher=$(here)test/lib/with-server \
	--temp-instance=tmp_check/instance --temp-config=$(here)test/lib/regress.conf \
	--dbname=contrib_regression
ISOLATION = $(basename $(notdir $(sort $(wildcard $(here)test/specs/*.spec))))
ISOLATION_OPTS = --inputdir=$(here)test --outputdir=tmp_check/isolation --launcher=$(here)test/lib/with-server \
	--temp-instance=tmp_check/instance_iso --temp-config=$(here)test/lib/isolation.conf
TAP_TESTS = 1
PROVE_TESTS = test/t/*.pl

# A package of the client may bring pgxs.mk without the headers of the server.
PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
SERVER_HEADER := $(wildcard $(shell $(PG_CONFIG) --includedir-server 2>/dev/null)/postgres.h)
ifneq ($(SERVER_HEADER),)
include $(wildcard $(PGXS))
endif

# Ours, below: PGXS has its say first. Each is a script in dev/ that can be
# called directly, too; they install what is missing.
.DEFAULT_GOAL := all

# The compiler notes which headers an object needs; the flags are made here.
override CFLAGS += -MMD -MP
-include $(OBJS:.o=.d)
$(OBJS) $(OBJS:.o=.bc): $(here)pg_net.control $(here)Makefile

# PostgreSQL's flags are those of the compiler that built it.
ifneq ($(findstring clang,$(shell $(CC) --version 2>/dev/null)),)
override CFLAGS += -Wno-unknown-warning-option -Wno-ignored-optimization-argument \
	-Wno-unused-command-line-argument -Wno-ignored-attributes -Wno-compound-token-split-by-macro
endif

# Absolute names, lest make find these folders beside the sources.
build_dirs := $(addprefix $(CURDIR)/,$(patsubst %/,%,$(sort $(dir $(OBJS) $(DATA_built)))))
$(OBJS) $(OBJS:.o=.bc) $(DATA_built): | $(build_dirs)
$(build_dirs):
	@mkdir -p $@

# pg_net.sql says what the marks in it mean
sql/pg_net--$(EXTVERSION).sql: sql/pg_net.sql
	sed -e '/^-- \[update\]/,/^-- \[\(create\|end\)\]/d' -e '/^-- \[\(create\|end\)\]/d' $< >$@
$(UPDATES): sql/pg_net.sql
	sed -e '/^-- \[create\]/,/^-- \[\(update\|end\)\]/d' -e '/^-- \[\(update\|end\)\]/d' \
		-e '/^CREATE FUNCTION net\.http_\(get\|post\|delete\)(/,/^)/s/DEFAULT 2000/DEFAULT 5000/' \
		-e 's/^CREATE FUNCTION/CREATE OR REPLACE FUNCTION/' $< >$@

# Not with PGXS's DOCS: that puts a README.md where every extension's would go,
# and without the folder its links lead to.
DOCUMENTS = README.md CHANGELOG.md SECURITY.md LICENSE
document_dir = '$(DESTDIR)$(docdir)/extension/pg_net'
install: install-documents
install-documents:
	$(if $(docdir),mkdir -p $(document_dir)/docs)
	$(if $(docdir),$(INSTALL_DATA) $(addprefix $(here),$(DOCUMENTS)) $(document_dir))
	$(if $(docdir),$(INSTALL_DATA) $(wildcard $(here)docs/*.md) $(document_dir)/docs)
uninstall: uninstall-documents
uninstall-documents:
	$(if $(docdir),rm -rf $(document_dir))

# Here, since Makefile.global empties it; and pg_regress makes only the last
# folder of its --outputdir.
PROVE_JOBS = 1
PROVE_FLAGS = -I test/lib --timer -j $(PROVE_JOBS)
installcheck: tmp_check
tmp_check:
	@mkdir -p $@

# Of the libraries, and before the first file that includes them.
HEADERS = ares.h nghttp2/nghttp2.h openssl/ssl.h zlib.h
$(OBJS): | need_headers
need_headers:
	@printf '#include <%s>\n' $(HEADERS) | $(CC) $(CPPFLAGS) -E - >/dev/null || \
		{ echo "no headers of c-ares, nghttp2, OpenSSL or zlib (see above): run dev/install-deps build" >&2; exit 1; }

# Before its first run dev/install-deps has not brought them yet.
ifeq ($(wildcard $(SERVER_HEADER)),)
all install installcheck clean:
	@echo "$(PG_CONFIG) knows no server to build for: run dev/install-deps build, or set PG_CONFIG" >&2; exit 1
endif
ifeq ($(shell command -v $(CURL_CONFIG)),)
$(OBJS): no_curl
.PHONY: no_curl
no_curl:
	@echo "no $(CURL_CONFIG), which comes with libcurl: run dev/install-deps build, or set CURL_CONFIG" >&2; exit 1
endif

test:
	@PG_CONFIG='$(PG_CONFIG)' $(here)dev/run-tests $(TESTS) $(TOOLS)

matrix:
	@$(here)dev/matrix $(SUITES) $(TESTS)

torture: PROVE_TESTS = test/t/022_faults.pl
torture:
	+@export PGNET_TORTURE_ROUNDS='$(or $(ROUNDS),200)' PGNET_TORTURE_SECONDS='$(or $(SECONDS),900)' && \
		$(prove_installcheck)

soak: PROVE_TESTS = test/soak/*.pl
soak:
	+@export PGNET_SOAK_SECONDS='$(SECONDS)' && $(prove_installcheck)

quickstart:
	@PG_CONFIG='$(PG_CONFIG)' $(here)dev/quickstart

bench:
	@PG_CONFIG='$(PG_CONFIG)' $(here)dev/install-deps bench
	@PG_CONFIG='$(PG_CONFIG)' BASELINE_PG_CONFIG='$(BASELINE_PG_CONFIG)' $(here)bench/run

# TESTS='VARIABLE=value...' chooses tests as make installcheck does
analyze sanitize valgrind fuzz:
	@PG_CONFIG='$(PG_CONFIG)' $(here)dev/$@ $(TESTS)

format:
	@$(here)dev/format

dist:
	git -C '$(here)' archive --prefix=pg_net-$(EXTVERSION)/ -o '$(CURDIR)/pg_net-$(EXTVERSION).zip' HEAD

# the checks of make test that need no server; after make
check-dev:
	@for check in rooms symbols headers sources; do PG_CONFIG='$(PG_CONFIG)' dev/check-$$check || status=1; done; \
		dev/format --check || [ $$? = 77 ] || status=1; exit $${status:-0}

.PHONY: need_headers test matrix torture soak quickstart bench analyze sanitize valgrind fuzz format dist check-dev \
	install-documents uninstall-documents
