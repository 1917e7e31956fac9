# pg_net: asynchronous HTTP from PostgreSQL
#
#   make, make install        build and install; PG_CONFIG=... picks the server
#   make installcheck         run the tests against the installed build, in
#                             clusters of their own (not as root)
#   make test                 everything: packages, build, install, all tests
#   make torture              hundreds of faults under load, and the ledger of
#                             what was sent; after make install, not as root;
#                             ROUNDS=, SECONDS= and PGNET_SEED= bound it
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

EXTENSION = pg_net
EXTVERSION = $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" pg_net.control)

MODULE_big = pg_net
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/*/*.c)))
DATA_built = sql/pg_net--$(EXTVERSION).sql
DATA = $(filter-out $(DATA_built),$(wildcard sql/pg_net--*--*.sql))
EXTRA_CLEAN = $(DATA_built) tmp_check test/results output_iso

CURL_CONFIG = curl-config
PG_CPPFLAGS = -I$(srcdir)/src $(shell $(CURL_CONFIG) --cflags) -DPGNET_VERSION='"$(EXTVERSION)"'
PG_CFLAGS = $(WARNINGS)
SHLIB_LINK = $(shell $(CURL_CONFIG) --libs)

# What the tests print must not depend on where they run.
ENCODING = UTF8
NO_LOCALE = 1
REGRESS = $(basename $(notdir $(sort $(wildcard test/sql/*.sql))))
REGRESS_OPTS = --inputdir=test --outputdir=tmp_check/regress --launcher=test/lib/with-server \
	--temp-instance=tmp_check/instance --temp-config=test/lib/regress.conf \
	--dbname=contrib_regression
ISOLATION = $(basename $(notdir $(sort $(wildcard test/specs/*.spec))))
ISOLATION_OPTS = --inputdir=test --outputdir=tmp_check/isolation --launcher=test/lib/with-server \
	--temp-instance=tmp_check/instance_iso --temp-config=test/lib/isolation.conf
TAP_TESTS = 1
PROVE_TESTS = test/t/*.pl

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(wildcard $(PGXS))

sql/pg_net--$(EXTVERSION).sql: sql/pg_net.sql
	cp $< $@

# A header is a struct in shared memory, too: nothing may be left behind.
$(OBJS): $(wildcard src/*.h src/*/*.h) pg_net.control

# Ours, below: PGXS has its say first. Each is a script in dev/ that can be
# called directly, too; they install what is missing.
.DEFAULT_GOAL := all

# Here, since Makefile.global empties it; and pg_regress makes only the last
# folder of its --outputdir.
PROVE_JOBS = 1
PROVE_FLAGS = -I test/lib --timer -j $(PROVE_JOBS)
installcheck: tmp_check
tmp_check:
	@mkdir -p $@

# Before its first run dev/install-deps has not brought pg_config yet.
ifeq ($(wildcard $(PGXS)),)
all install installcheck clean:
	@echo "$(PG_CONFIG) knows no server to build for: run dev/install-deps build, or set PG_CONFIG" >&2; exit 1
endif

test:
	@PG_CONFIG='$(PG_CONFIG)' dev/run-tests $(TOOLS)

torture: PROVE_TESTS = test/torture/*.pl
torture:
	+@export PGNET_TORTURE_ROUNDS='$(ROUNDS)' PGNET_TORTURE_SECONDS='$(SECONDS)' && \
		$(prove_installcheck)

soak: PROVE_TESTS = test/soak/*.pl
soak:
	+@export PGNET_SOAK_SECONDS='$(SECONDS)' && $(prove_installcheck)

quickstart:
	@PG_CONFIG='$(PG_CONFIG)' dev/quickstart

bench:
	@PG_CONFIG='$(PG_CONFIG)' dev/install-deps bench
	@PG_CONFIG='$(PG_CONFIG)' BASELINE_PG_CONFIG='$(BASELINE_PG_CONFIG)' bench/run

# TESTS='VARIABLE=value...' chooses tests as make installcheck does
analyze sanitize valgrind fuzz:
	@PG_CONFIG='$(PG_CONFIG)' dev/$@ $(TESTS)

format:
	@dev/format

# the checks of make test that need no server; after make
check-dev:
	@for check in rooms symbols headers sources; do PG_CONFIG='$(PG_CONFIG)' dev/check-$$check || status=1; done; \
		dev/format --check || status=1; exit $${status:-0}

.PHONY: test torture soak quickstart bench analyze sanitize valgrind fuzz format check-dev
