-- pg_net: asynchronous HTTP and HTTPS requests from SQL
--
-- The whole SQL surface, in the order data flows: the queue, the responses,
-- the functions that fill the one and read the other, the worker.

-- make assembles two scripts of this file: what CREATE EXTENSION runs, and what
-- ALTER EXTENSION ... UPDATE runs from 0.20 of the public pg_net, and from those
-- before it that have the same catalog. From a line "-- [create]" on, what
-- follows is for the former alone, from "-- [update]" on for the latter, and
-- from "-- [end]" on for both. In the latter, CREATE OR REPLACE FUNCTION takes
-- the place of CREATE FUNCTION, and the timeouts of http_get, http_post and
-- http_delete are those that they had.

-- complain if the script is sourced in psql, rather than through CREATE EXTENSION
-- [create]
\echo Use "CREATE EXTENSION pg_net" to load this file. \quit
-- [update]
\echo Use "ALTER EXTENSION pg_net UPDATE" to load this file. \quit
-- [end]

-- Resolve names in this script in pg_catalog: without this they could resolve
-- to a function that somebody created in the schema of the session.
SET LOCAL search_path = pg_catalog, pg_temp;

-- [update]
-- What CREATE OR REPLACE FUNCTION resets, and DROP FUNCTION loses, to be put
-- back at the end. Privileges of the others stay.
DO $$
BEGIN
  PERFORM set_config('pg_net_update.functions', coalesce((
    SELECT json_agg(json_build_object(
      'signature', p.oid::regprocedure, 'definer', p.prosecdef, 'config', p.proconfig,
      'dropped', pronargs = 4 AND proname = 'http_delete',
      'acl', (SELECT json_agg(json_build_object(
                'grantee', CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
                'grantable', a.is_grantable))
              FROM aclexplode(p.proacl) AS a)))
    FROM pg_depend AS d JOIN pg_proc AS p ON p.oid = d.objid
    WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
      AND d.refclassid = 'pg_extension'::regclass
      AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_net'))::text, '[]'), true);
  -- that of 0.14, without a body
  DROP FUNCTION IF EXISTS net.http_delete(text, jsonb, jsonb, integer);
END
$$;
-- [create]
-- Not IF NOT EXISTS: an existing schema of that name is not ours, and its owner
-- could change the objects that we create in it.
CREATE SCHEMA net;
-- [end]
COMMENT ON SCHEMA net IS
  'pg_net: asynchronous HTTP and HTTPS requests from SQL. A server crash empties the queue and the responses, unless net.set_durable(true) made them durable';
-- [create]
GRANT USAGE ON SCHEMA net TO PUBLIC;
-- [end]

--
-- The queue
--

-- [create]
CREATE DOMAIN net.http_method AS text
  CHECK (VALUE OPERATOR(pg_catalog.~) '^[A-Za-z0-9!#$%&''*+.^_`|~-]+$');
-- [update]
ALTER DOMAIN net.http_method DROP CONSTRAINT http_method_check;
ALTER DOMAIN net.http_method ADD CONSTRAINT http_method_check
  CHECK (VALUE OPERATOR(pg_catalog.~) '^[A-Za-z0-9!#$%&''*+.^_`|~-]+$');
-- [end]
COMMENT ON DOMAIN net.http_method IS
  'The method of a request, a token such as GET or POST (RFC 9110, section 9.1)';

-- Logged, and not owned by the table: ids are never reused, not even after a
-- crash, a failover or TRUNCATE ... RESTART IDENTITY. See net._installation.
-- [create]
CREATE SEQUENCE net.http_request_queue_id_seq;
-- [update]
ALTER SEQUENCE net.http_request_queue_id_seq OWNED BY NONE;
ALTER SEQUENCE net.http_request_queue_id_seq SET LOGGED;
REVOKE ALL ON SEQUENCE net.http_request_queue_id_seq FROM PUBLIC;
-- [end]
COMMENT ON SEQUENCE net.http_request_queue_id_seq IS
  'Ids of requests, never reused; after a crash or a failover they continue 1048576 higher';

CREATE TABLE net._installation (
  one boolean CONSTRAINT _installation_pkey PRIMARY KEY DEFAULT true
    CONSTRAINT _installation_one_check CHECK (one),
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  timeline integer,
  in_flight bigint[],
  uncharged integer NOT NULL DEFAULT 0
);
COMMENT ON TABLE net._installation IS
  'One row that identifies this installation, with what the worker must know after a crash or a failover. Not dumped by pg_dump and not replicated by logical replication';
COMMENT ON COLUMN net._installation.one IS 'Restricts the table to one row';
COMMENT ON COLUMN net._installation.id IS
  'Uniquely identifies this installation';
COMMENT ON COLUMN net._installation.timeline IS
  'The timeline on which ids were last assigned. If the server is on another one, a failover may have lost some of them, so ids continue higher';
COMMENT ON COLUMN net._installation.in_flight IS
  'The requests that the worker''s death would be charged to, if it died now; null: none';
COMMENT ON COLUMN net._installation.uncharged IS
  'How often in a row the worker died while requests with deaths were in flight beside others, so that they were not charged; each time others wait longer';
INSERT INTO net._installation (timeline)
VALUES (('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::integer);

-- [create]
CREATE UNLOGGED TABLE net.http_request_queue (
  id bigint NOT NULL DEFAULT nextval('net.http_request_queue_id_seq'::regclass)
    CONSTRAINT http_request_queue_pkey PRIMARY KEY,
  method net.http_method NOT NULL,
  url text NOT NULL,
  headers jsonb,
  body bytea,
  timeout_milliseconds integer NOT NULL,
  role regrole DEFAULT (quote_ident(CURRENT_USER::text))::regrole,
  connect_timeout_milliseconds integer,
  max_redirects integer,
  max_response_bytes bigint,
  decompress boolean,
  http_version text,
  same_origin_headers text[],
  queued timestamptz NOT NULL DEFAULT now(),
  due timestamptz,
  gave_up timestamptz,
  retry interval[],
  failures jsonb,
  ordering_key text,
  callback text,
  context jsonb,
  keep boolean,
  deaths integer
);
-- [update]
-- Nothing kept ids apart, or users from making indexes of these names.
DO $$
DECLARE
  name text;
  changed bigint;
BEGIN
  FOREACH name IN ARRAY ARRAY['http_request_queue_due_idx', 'http_request_queue_ordering_key_idx',
                              '_http_response_id_idx', '_http_response_callback_idx'] LOOP
    IF to_regclass('net.' || name) IS NOT NULL THEN
      EXECUTE format('ALTER INDEX net.%I RENAME TO %I', name, name || '_before_update');
      RAISE NOTICE 'index net.% is called net.%_before_update from now on', name, name;
    END IF;
  END LOOP;
  WITH again AS (
    SELECT ctid, row_number() OVER (PARTITION BY id ORDER BY ctid) AS number
    FROM ONLY net.http_request_queue
  )
  UPDATE ONLY net.http_request_queue AS q
  SET id = nextval('net.http_request_queue_id_seq')
  FROM again WHERE again.ctid = q.ctid AND again.number > 1;
  GET DIAGNOSTICS changed = ROW_COUNT;
  IF changed > 0 THEN
    RAISE WARNING '% rows of net.http_request_queue had the id of another row and have a new one now', changed;
  END IF;
  SELECT conname INTO name FROM pg_constraint
  WHERE conrelid = 'net.http_request_queue'::regclass AND contype = 'p';
  IF name IS NULL THEN
    ALTER TABLE net.http_request_queue ADD CONSTRAINT http_request_queue_pkey PRIMARY KEY (id);
  ELSIF name <> 'http_request_queue_pkey' THEN
    EXECUTE format('ALTER TABLE net.http_request_queue RENAME CONSTRAINT %I TO http_request_queue_pkey', name);
  END IF;
END
$$;
-- Whoever queued the rows that are there is not known: they have no role.
ALTER TABLE net.http_request_queue
  ALTER COLUMN headers DROP NOT NULL,
  ADD COLUMN role regrole,
  ADD COLUMN connect_timeout_milliseconds integer,
  ADD COLUMN max_redirects integer,
  ADD COLUMN max_response_bytes bigint,
  ADD COLUMN decompress boolean,
  ADD COLUMN http_version text,
  ADD COLUMN same_origin_headers text[],
  ADD COLUMN queued timestamptz NOT NULL DEFAULT now(),
  ADD COLUMN due timestamptz,
  ADD COLUMN gave_up timestamptz,
  ADD COLUMN retry interval[],
  ADD COLUMN failures jsonb,
  ADD COLUMN ordering_key text,
  ADD COLUMN callback text,
  ADD COLUMN context jsonb,
  ADD COLUMN keep boolean,
  ADD COLUMN deaths integer;
ALTER TABLE net.http_request_queue
  ALTER COLUMN role SET DEFAULT (quote_ident(CURRENT_USER::text))::regrole;
-- [end]
CREATE INDEX http_request_queue_due_idx ON net.http_request_queue (due, id)
  WHERE due IS NOT NULL;
CREATE INDEX http_request_queue_ordering_key_idx
  ON net.http_request_queue (ordering_key, id) WHERE ordering_key IS NOT NULL;
-- Bodies are short-lived here: compression costs more than the space it saves.
ALTER TABLE net.http_request_queue ALTER COLUMN body SET STORAGE EXTERNAL;
COMMENT ON TABLE net.http_request_queue IS
  'Requests that are queued or in flight. A row is removed when its response is stored; deleting a queued row cancels the request. Rows inserted by hand are sent after net.wake(). The table is unlogged by default: a server crash empties it. If it is logged, see net.set_durable(), every committed request is sent at least once, even after a crash or a failover';
COMMENT ON COLUMN net.http_request_queue.id IS
  'The id that the request functions return; also the id of the response';
COMMENT ON COLUMN net.http_request_queue.method IS 'The HTTP method';
COMMENT ON COLUMN net.http_request_queue.url IS
  'The absolute http or https URL, including the query, or net://name of an endpoint';
COMMENT ON COLUMN net.http_request_queue.headers IS
  'Header fields, as a JSON object of names and values';
COMMENT ON COLUMN net.http_request_queue.body IS
  'The exact bytes of the body; null if there is none';
COMMENT ON COLUMN net.http_request_queue.timeout_milliseconds IS
  'Timeout in milliseconds, starting when the request is sent';
COMMENT ON COLUMN net.http_request_queue.role IS
  'The role that made the request; it and its members can see this row';
COMMENT ON COLUMN net.http_request_queue.connect_timeout_milliseconds IS
  'Part of the timeout allowed to establish a connection, in milliseconds; null for pg_net.connect_timeout';
COMMENT ON COLUMN net.http_request_queue.max_redirects IS
  'Maximum number of redirects to follow, 0 for none; null for pg_net.max_redirects';
COMMENT ON COLUMN net.http_request_queue.max_response_bytes IS
  'Maximum size of the response body; null for pg_net.max_response_size, which is also the upper limit';
COMMENT ON COLUMN net.http_request_queue.decompress IS
  'Whether to request a compressed response and decompress it; null for pg_net.decompress';
COMMENT ON COLUMN net.http_request_queue.http_version IS
  'Highest HTTP version to use: 1.0, 1.1 or 2; null for pg_net.http_version';
COMMENT ON COLUMN net.http_request_queue.same_origin_headers IS
  'Names of headers not to send to another origin after a redirect, in addition to those that look like credentials';
COMMENT ON COLUMN net.http_request_queue.queued IS
  'When the transaction that queued the request began';
COMMENT ON COLUMN net.http_request_queue.due IS
  'When the worker acts on the row next: the request is not sent before; after gave_up, the row is removed then. Null: at once';
COMMENT ON COLUMN net.http_request_queue.gave_up IS
  'Since when the request is given up; net.resend() sends it again until due';
COMMENT ON COLUMN net.http_request_queue.retry IS
  'The delays between attempts; null: those of the endpoint, otherwise one attempt; empty: one attempt';
COMMENT ON COLUMN net.http_request_queue.failures IS
  'The log of failed attempts, oldest first; null: none';
COMMENT ON COLUMN net.http_request_queue.ordering_key IS
  'Requests of one role to one endpoint or origin with the same key are sent one at a time, in order of id';
COMMENT ON COLUMN net.http_request_queue.callback IS
  'The function to call with the response row, schema-qualified; null: none';
COMMENT ON COLUMN net.http_request_queue.context IS
  'What comes back in the response row';
COMMENT ON COLUMN net.http_request_queue.keep IS
  'Whether a response with a status of 2xx is stored; null: as the endpoint says, otherwise yes';
COMMENT ON COLUMN net.http_request_queue.deaths IS
  'How often the worker died while this request was in flight, with ever fewer others; null: never';
COMMENT ON INDEX net.http_request_queue_due_idx IS 'Finds what is due';
COMMENT ON INDEX net.http_request_queue_ordering_key_idx IS
  'Finds the next request with an ordering key';

CREATE FUNCTION net._queue_changed()
RETURNS trigger
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgnet_queue_changed';
COMMENT ON FUNCTION net._queue_changed() IS
  'Trigger function of net.http_request_queue: makes the worker re-read rows that were updated or deleted before being sent';
REVOKE ALL ON FUNCTION net._queue_changed() FROM PUBLIC;

CREATE TRIGGER queue_changed
  AFTER UPDATE OR DELETE OR TRUNCATE ON net.http_request_queue
  FOR EACH STATEMENT EXECUTE FUNCTION net._queue_changed();
ALTER TABLE net.http_request_queue ENABLE ALWAYS TRIGGER queue_changed;
COMMENT ON TRIGGER queue_changed ON net.http_request_queue IS
  'Tells the worker about updated and deleted rows';

CREATE FUNCTION net._queue_insert()
RETURNS trigger
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgnet_queue_insert_trigger';
COMMENT ON FUNCTION net._queue_insert() IS
  'Trigger function of net.http_request_queue: gives rows inserted by hand ids that were not used before';
REVOKE ALL ON FUNCTION net._queue_insert() FROM PUBLIC;

CREATE TRIGGER queue_insert
  BEFORE INSERT ON net.http_request_queue
  FOR EACH STATEMENT EXECUTE FUNCTION net._queue_insert();
COMMENT ON TRIGGER queue_insert ON net.http_request_queue IS
  'Makes ids continue higher after a crash or a failover';

--
-- The responses
--

-- [create]
CREATE UNLOGGED TABLE net._http_response (
  id bigint,
  status_code integer,
  content_type text,
  headers jsonb,
  content text,
  timed_out boolean,
  error_msg text,
  created timestamptz NOT NULL DEFAULT now(),
  content_bytes bytea,
  role regrole DEFAULT (quote_ident(CURRENT_USER::text))::regrole,
  method text,
  url text,
  final_url text,
  attempts integer,
  started timestamptz,
  duration_ms double precision,
  dns_ms double precision,
  connect_ms double precision,
  tls_ms double precision,
  first_byte_ms double precision,
  request_bytes bigint,
  response_bytes bigint,
  http_version text,
  remote_address inet,
  remote_port integer,
  queued timestamptz,
  failures jsonb,
  context jsonb,
  callback text,
  called timestamptz,
  callback_error text,
  callback_deaths integer,
  keep boolean
);
-- [update]
ALTER TABLE net._http_response
  ADD COLUMN content_bytes bytea,
  ADD COLUMN role regrole,
  ADD COLUMN method text,
  ADD COLUMN url text,
  ADD COLUMN final_url text,
  ADD COLUMN attempts integer,
  ADD COLUMN started timestamptz,
  ADD COLUMN duration_ms double precision,
  ADD COLUMN dns_ms double precision,
  ADD COLUMN connect_ms double precision,
  ADD COLUMN tls_ms double precision,
  ADD COLUMN first_byte_ms double precision,
  ADD COLUMN request_bytes bigint,
  ADD COLUMN response_bytes bigint,
  ADD COLUMN http_version text,
  ADD COLUMN remote_address inet,
  ADD COLUMN remote_port integer,
  ADD COLUMN queued timestamptz,
  ADD COLUMN failures jsonb,
  ADD COLUMN context jsonb,
  ADD COLUMN callback text,
  ADD COLUMN called timestamptz,
  ADD COLUMN callback_error text,
  ADD COLUMN callback_deaths integer,
  ADD COLUMN keep boolean;
ALTER TABLE net._http_response
  ALTER COLUMN role SET DEFAULT (quote_ident(CURRENT_USER::text))::regrole;
-- [end]
-- lz4 is six times as fast as pglz on JSON, and the worker waits for it. A
-- server built without lz4 keeps pglz.
DO $$
BEGIN
  ALTER TABLE net._http_response
    ALTER COLUMN content SET COMPRESSION lz4,
    ALTER COLUMN content_bytes SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
  NULL;
END
$$;
CREATE INDEX _http_response_id_idx ON net._http_response (id);
-- [create]
CREATE INDEX _http_response_created_idx ON net._http_response (created);
-- [update]
CREATE INDEX IF NOT EXISTS _http_response_created_idx ON net._http_response (created);
-- [end]
CREATE INDEX _http_response_callback_idx ON net._http_response (role, id)
  WHERE callback IS NOT NULL AND called IS NULL;
-- Without a replica identity, no row could be deleted while the table is in a
-- publication. It costs WAL only if the table is logged and wal_level is logical.
ALTER TABLE net._http_response REPLICA IDENTITY FULL;
COMMENT ON TABLE net._http_response IS
  'Responses and errors of requests, kept for pg_net.ttl. The table is unlogged by default: a server crash empties it; see net.set_durable()';
COMMENT ON COLUMN net._http_response.id IS 'The id of the request';
COMMENT ON COLUMN net._http_response.status_code IS
  'The HTTP status code; null if there was no response';
COMMENT ON COLUMN net._http_response.content_type IS
  'The Content-Type of the response, as received';
COMMENT ON COLUMN net._http_response.headers IS
  'Header fields of the response, as a JSON object; values of repeated fields are joined by ", ", repeated Set-Cookie is an array';
COMMENT ON COLUMN net._http_response.content IS
  'The body, if it is text; see also content_bytes';
COMMENT ON COLUMN net._http_response.timed_out IS
  'Whether the request timed out';
COMMENT ON COLUMN net._http_response.error_msg IS
  'Why there was no response, why the request was given up, or why headers and body of the response are not stored; otherwise null, whatever the status';
COMMENT ON COLUMN net._http_response.created IS
  'When the response was stored';
COMMENT ON COLUMN net._http_response.content_bytes IS
  'The body, if it is not text that the database can store; null otherwise';
COMMENT ON COLUMN net._http_response.role IS
  'The role that made the request; it and its members can see this row';
COMMENT ON COLUMN net._http_response.method IS 'The method of the request';
COMMENT ON COLUMN net._http_response.url IS
  'The URL of the request, with user name and password replaced by ***';
COMMENT ON COLUMN net._http_response.final_url IS
  'The URL that redirects led to, masked in the same way; null if none was followed';
COMMENT ON COLUMN net._http_response.attempts IS
  'How many times the request was sent: 0 if it could not be sent, 2 if a reused connection turned out to be closed';
COMMENT ON COLUMN net._http_response.started IS
  'When the request was sent; its timeout and duration_ms run from here';
COMMENT ON COLUMN net._http_response.duration_ms IS
  'Milliseconds from started until the response was complete or the request failed';
COMMENT ON COLUMN net._http_response.dns_ms IS
  'Milliseconds to look up the host name; null if a connection was reused';
COMMENT ON COLUMN net._http_response.connect_ms IS
  'Milliseconds to establish the TCP connection after that; null if a connection was reused or this phase was not reached';
COMMENT ON COLUMN net._http_response.tls_ms IS
  'Milliseconds for the TLS handshake after that; null in the same cases, and for http';
COMMENT ON COLUMN net._http_response.first_byte_ms IS
  'Milliseconds from started to the first byte of the response; null if none arrived';
COMMENT ON COLUMN net._http_response.request_bytes IS
  'Bytes of the body sent';
COMMENT ON COLUMN net._http_response.response_bytes IS
  'Bytes of the body received, before decompression';
COMMENT ON COLUMN net._http_response.http_version IS
  'The HTTP version of the response: 1.0, 1.1, 2 or 3';
COMMENT ON COLUMN net._http_response.remote_address IS
  'The IP address that the request was sent to';
COMMENT ON COLUMN net._http_response.remote_port IS
  'The port that the request was sent to';
COMMENT ON COLUMN net._http_response.queued IS
  'When the transaction that queued the request began';
COMMENT ON COLUMN net._http_response.failures IS
  'The log of failed attempts, as in the queue; null: none';
COMMENT ON COLUMN net._http_response.context IS
  'What the caller gave as context';
COMMENT ON COLUMN net._http_response.callback IS
  'The function that is called with this row; null: none';
COMMENT ON COLUMN net._http_response.called IS
  'When the call succeeded, or failed for good; null: not yet';
COMMENT ON COLUMN net._http_response.callback_error IS
  'Why the call failed; null: it did not';
COMMENT ON COLUMN net._http_response.callback_deaths IS
  'How often the process died in the call, since it is counted; null: never';
COMMENT ON COLUMN net._http_response.keep IS
  'Whether the row stays when the call has succeeded; null: yes';
COMMENT ON INDEX net._http_response_id_idx IS 'Finds the response of a request';
COMMENT ON INDEX net._http_response_created_idx IS 'Finds responses older than pg_net.ttl';
COMMENT ON INDEX net._http_response_callback_idx IS 'Finds callbacks that wait, by role';

--
-- After a crash
--

CREATE UNLOGGED TABLE net._no_crash (
  since timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE net._no_crash IS
  'One row. The table must be unlogged: a server crash empties it, which tells the worker about the crash';
COMMENT ON COLUMN net._no_crash.since IS
  'When the worker detected the last crash, or when the extension was created';
INSERT INTO net._no_crash DEFAULT VALUES;

--
-- Logical replication
--
-- A replicated request would be sent a second time, and ids of another server
-- mean other requests here. So these tables discard replicated rows.
--

CREATE FUNCTION net._not_replicated()
RETURNS trigger
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgnet_not_replicated';
COMMENT ON FUNCTION net._not_replicated() IS
  'Trigger function of tables that belong to this server only: discards rows written with session_replication_role = replica';
REVOKE ALL ON FUNCTION net._not_replicated() FROM PUBLIC;

CREATE TRIGGER not_replicated
  BEFORE INSERT OR UPDATE OR DELETE ON net.http_request_queue
  FOR EACH ROW EXECUTE FUNCTION net._not_replicated();
CREATE TRIGGER not_replicated
  BEFORE INSERT OR UPDATE OR DELETE ON net._http_response
  FOR EACH ROW EXECUTE FUNCTION net._not_replicated();
CREATE TRIGGER not_replicated
  BEFORE INSERT OR UPDATE OR DELETE ON net._installation
  FOR EACH ROW EXECUTE FUNCTION net._not_replicated();
ALTER TABLE net.http_request_queue ENABLE REPLICA TRIGGER not_replicated;
ALTER TABLE net._http_response ENABLE REPLICA TRIGGER not_replicated;
ALTER TABLE net._installation ENABLE REPLICA TRIGGER not_replicated;
COMMENT ON TRIGGER not_replicated ON net.http_request_queue IS
  'Discards requests of a publisher, which sends them itself';
COMMENT ON TRIGGER not_replicated ON net._http_response IS
  'Discards responses of a publisher, because their ids mean other requests here';
COMMENT ON TRIGGER not_replicated ON net._installation IS
  'Discards the identity of a publisher';

--
-- A role sees its own requests and responses, and those of roles it is a
-- member of. The owner, superusers, roles with BYPASSRLS and members of
-- pg_read_all_data see all rows; pg_read_all_data allows only reading. Roles
-- with SELECT can read the worker's internal tables, but only the owner can
-- write to them, not even members of pg_write_all_data.
--

ALTER TABLE net.http_request_queue ENABLE ROW LEVEL SECURITY;
ALTER TABLE net._http_response ENABLE ROW LEVEL SECURITY;
ALTER TABLE net._no_crash ENABLE ROW LEVEL SECURITY;
-- and this one without a policy
ALTER TABLE net._installation ENABLE ROW LEVEL SECURITY;

CREATE POLICY own_requests ON net.http_request_queue
  USING (pg_catalog.pg_has_role(role, 'USAGE'));
CREATE POLICY own_responses ON net._http_response
  USING (pg_catalog.pg_has_role(role, 'USAGE'));
CREATE POLICY all_requests ON net.http_request_queue FOR SELECT
  USING ((SELECT pg_catalog.pg_has_role('pg_read_all_data', 'USAGE')));
CREATE POLICY all_responses ON net._http_response FOR SELECT
  USING ((SELECT pg_catalog.pg_has_role('pg_read_all_data', 'USAGE')));
CREATE POLICY no_crash ON net._no_crash FOR SELECT USING (true);
-- [update]
-- There were no such rights: what is there without a role, everybody could read.
CREATE POLICY earlier_requests ON net.http_request_queue FOR SELECT USING (role IS NULL);
CREATE POLICY earlier_responses ON net._http_response FOR SELECT USING (role IS NULL);
COMMENT ON POLICY earlier_requests ON net.http_request_queue IS
  'Requests from before the update have no role, and everybody can read them';
COMMENT ON POLICY earlier_responses ON net._http_response IS
  'Responses from before the update have no role, and everybody can read them';
-- [end]
COMMENT ON POLICY own_requests ON net.http_request_queue IS
  'A role can access only its own requests';
COMMENT ON POLICY own_responses ON net._http_response IS
  'A role can access only its own responses';
COMMENT ON POLICY all_requests ON net.http_request_queue IS
  'Members of pg_read_all_data can read the requests of all roles';
COMMENT ON POLICY all_responses ON net._http_response IS
  'Members of pg_read_all_data can read the responses of all roles';
COMMENT ON POLICY no_crash ON net._no_crash IS
  'Whoever may read the table can read all rows; only the owner can write';

-- [create]
GRANT SELECT ON net.http_request_queue, net._http_response TO PUBLIC;
-- [update]
-- Everybody had all of them. With TRIGGER one could run code as the owner, and
-- with INSERT send in the name of another role. Grants to named roles stay.
REVOKE INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER
  ON net.http_request_queue, net._http_response FROM PUBLIC;
DO $$
BEGIN
  IF current_setting('server_version_num')::integer >= 170000 THEN
    EXECUTE 'REVOKE MAINTAIN ON net.http_request_queue, net._http_response FROM PUBLIC';
  END IF;
END
$$;
-- [end]

--
-- Who may send what to where
--

CREATE FUNCTION net._is_host_pattern(pattern text)
RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pgnet_is_host_pattern';
COMMENT ON FUNCTION net._is_host_pattern(text) IS
  'Whether the text is a host, *.name for all subdomains of name, or * for every host';

CREATE TABLE net.access_rule (
  position integer CONSTRAINT access_rule_pkey PRIMARY KEY,
  allow boolean NOT NULL,
  role name,
  scheme text
    CONSTRAINT access_rule_scheme_check CHECK (scheme IN ('http', 'https')),
  host text NOT NULL DEFAULT '*'
    CONSTRAINT access_rule_host_check CHECK (net._is_host_pattern(host)),
  ports int4range
    CONSTRAINT access_rule_ports_check CHECK (ports <@ '[1,65535]'::int4range AND NOT isempty(ports)),
  methods text[]
    CONSTRAINT access_rule_methods_check CHECK (array_position(methods, NULL) IS NULL)
);
COMMENT ON TABLE net.access_rule IS
  'Rules about who may send what to where, maintained by the owner. The first matching rule decides. If there are no rules, everything is allowed; if there are rules and none matches, the request is denied. Dumped by pg_dump';
COMMENT ON COLUMN net.access_rule.position IS
  'The order in which rules are tried';
COMMENT ON COLUMN net.access_rule.allow IS
  'Whether a matching request may be sent';
COMMENT ON COLUMN net.access_rule.role IS
  'The rule applies to this role and its members; null: to every role. A name that is not a role matches nobody';
COMMENT ON COLUMN net.access_rule.scheme IS 'http or https; null: both';
COMMENT ON COLUMN net.access_rule.host IS
  'A host; *.name: all subdomains of name, but not name itself; *: every host. IPv6 addresses in brackets';
COMMENT ON COLUMN net.access_rule.ports IS 'Ports; null: all';
COMMENT ON COLUMN net.access_rule.methods IS 'HTTP methods; null: all';
SELECT pg_extension_config_dump('net.access_rule', '');

-- Members of pg_write_all_data cannot write here.
ALTER TABLE net.access_rule ENABLE ROW LEVEL SECURITY;
CREATE POLICY all_rules ON net.access_rule FOR SELECT USING (true);
COMMENT ON POLICY all_rules ON net.access_rule IS
  'Whoever may read the table can read all rows; only the owner can write';

CREATE FUNCTION net._policy_changed()
RETURNS trigger
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgnet_policy_changed';
COMMENT ON FUNCTION net._policy_changed() IS
  'Trigger function of net.access_rule, net.secret and net.endpoint: applies changes to the next call and to queued requests';
REVOKE ALL ON FUNCTION net._policy_changed() FROM PUBLIC;

CREATE TRIGGER policy_changed
  AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON net.access_rule
  FOR EACH STATEMENT EXECUTE FUNCTION net._policy_changed();
ALTER TABLE net.access_rule ENABLE ALWAYS TRIGGER policy_changed;
COMMENT ON TRIGGER policy_changed ON net.access_rule IS
  'Tells all sessions and the worker about changes';

--
-- Secrets
--

CREATE TABLE net.secret (
  name text CONSTRAINT secret_pkey PRIMARY KEY
    CONSTRAINT secret_name_check CHECK (name ~ '^[A-Za-z0-9_.-]+$'),
  value text
    CONSTRAINT secret_value_check
    CHECK (value !~ '[\r\n]' OR value ~ '^-----BEGIN '),
  roles name[] NOT NULL
    CONSTRAINT secret_roles_check CHECK (array_position(roles, NULL) IS NULL),
  host text NOT NULL
    CONSTRAINT secret_host_check CHECK (net._is_host_pattern(host)),
  port integer
    CONSTRAINT secret_port_check CHECK (port BETWEEN 1 AND 65535),
  allow_http boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE net.secret IS
  'Values that net.secret() refers to, inserted into headers when a request is sent. Maintained by the owner; not dumped by pg_dump';
COMMENT ON COLUMN net.secret.name IS 'The name to pass to net.secret()';
COMMENT ON COLUMN net.secret.value IS
  'The value, a single line, or PEM; null: the value with the same name in vault.decrypted_secrets';
COMMENT ON COLUMN net.secret.roles IS
  'Who may use it: these roles, and members that inherit their privileges. A name that is not a role matches nobody';
COMMENT ON COLUMN net.secret.host IS
  'Where it may be sent: a host; *.name: all subdomains of name; *: anywhere';
COMMENT ON COLUMN net.secret.port IS
  'The port it may be sent to; null: the default of the scheme';
COMMENT ON COLUMN net.secret.allow_http IS
  'Whether it may be sent without TLS, in clear';

-- No policy: only the owner, superusers and roles with BYPASSRLS have access,
-- and members of pg_read_all_data or pg_write_all_data do not.
ALTER TABLE net.secret ENABLE ROW LEVEL SECURITY;

CREATE TRIGGER policy_changed
  AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON net.secret
  FOR EACH STATEMENT EXECUTE FUNCTION net._policy_changed();
ALTER TABLE net.secret ENABLE ALWAYS TRIGGER policy_changed;
COMMENT ON TRIGGER policy_changed ON net.secret IS
  'Makes the worker check queued requests again';

CREATE FUNCTION net.secret(name text)
RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN '${net.secret:' || name || '}';
COMMENT ON FUNCTION net.secret(text) IS
  'Returns a reference to a secret for use in a header value; the worker inserts the secret when it sends the request';

--
-- Endpoints
--

CREATE FUNCTION net._is_base_url(url text)
RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pgnet_is_base_url';
COMMENT ON FUNCTION net._is_base_url(text) IS
  'Whether the text is an http or https URL without a fragment, a user or a password, with references to secrets in path and query only';

CREATE TABLE net.endpoint (
  name text CONSTRAINT endpoint_pkey PRIMARY KEY
    CONSTRAINT endpoint_name_check
    CHECK (name ~ '^[a-z0-9]([a-z0-9_.-]{0,198}[a-z0-9])?$'),
  url text NOT NULL
    CONSTRAINT endpoint_url_check CHECK (net._is_base_url(url)),
  roles name[] NOT NULL DEFAULT '{}'
    CONSTRAINT endpoint_roles_check CHECK (array_position(roles, NULL) IS NULL),
  methods text[]
    CONSTRAINT endpoint_methods_check CHECK (array_position(methods, NULL) IS NULL),
  headers jsonb
    CONSTRAINT endpoint_headers_check CHECK (jsonb_typeof(headers) = 'object'),
  timeout_milliseconds integer
    CONSTRAINT endpoint_timeout_milliseconds_check CHECK (timeout_milliseconds > 0),
  retry interval[]
    CONSTRAINT endpoint_retry_check
    CHECK (cardinality(retry) = 0
           OR (array_ndims(retry) = 1 AND cardinality(retry) <= 50
               AND array_position(retry, NULL) IS NULL
               AND '0' <= ALL (retry) AND '365 days' >= ALL (retry))),
  retry_all boolean NOT NULL DEFAULT false,
  max_age interval
    CONSTRAINT endpoint_max_age_check CHECK (max_age > '0'),
  rate real
    CONSTRAINT endpoint_rate_check CHECK (rate > 0 AND rate <= 1000000),
  burst integer NOT NULL DEFAULT 1
    CONSTRAINT endpoint_burst_check CHECK (burst > 0),
  max_in_flight integer
    CONSTRAINT endpoint_max_in_flight_check CHECK (max_in_flight BETWEEN 1 AND 100000),
  ordered boolean NOT NULL DEFAULT false,
  back_off boolean NOT NULL DEFAULT true,
  keep boolean NOT NULL DEFAULT true,
  keep_bytes integer
    CONSTRAINT endpoint_keep_bytes_check CHECK (keep_bytes >= 0),
  signing text
    CONSTRAINT endpoint_signing_check CHECK (signing IN ('standard', 'github', 'stripe')),
  signing_secrets text[]
    CONSTRAINT endpoint_signing_secrets_check
    CHECK (array_ndims(signing_secrets) = 1 AND cardinality(signing_secrets) <= 10
           AND array_position(signing_secrets, NULL) IS NULL),
  client_certificate text,
  ca_certificates text,
  connect_to text
    CONSTRAINT endpoint_connect_to_check
    CHECK (connect_to ~ '^(unix:/[^\n]+|([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?)$'),
  paused boolean NOT NULL DEFAULT false,
  pause_after interval
    CONSTRAINT endpoint_pause_after_check CHECK (pause_after > '0'),
  pause_reason text,
  CONSTRAINT endpoint_signed_check CHECK ((signing IS NULL) = (signing_secrets IS NULL))
);
COMMENT ON TABLE net.endpoint IS
  'Where and how net://name is sent. Maintained by the owner; dumped by pg_dump';
COMMENT ON COLUMN net.endpoint.name IS 'What requests call it: net://name';
COMMENT ON COLUMN net.endpoint.url IS
  'Where to; path and query of requests are appended. May have net.secret() there';
COMMENT ON COLUMN net.endpoint.roles IS
  'Who may use it: these roles, and members that inherit their rights; public: every role; empty: the owner alone. A name that is not a role matches nobody';
COMMENT ON COLUMN net.endpoint.methods IS 'HTTP methods; null: all but TRACE';
COMMENT ON COLUMN net.endpoint.headers IS
  'Header fields, in place of the request''s of the same name. May have net.secret()';
COMMENT ON COLUMN net.endpoint.timeout_milliseconds IS
  'In place of the request''s; null: the request''s';
COMMENT ON COLUMN net.endpoint.retry IS
  'The schedule of requests without their own; null: none';
COMMENT ON COLUMN net.endpoint.retry_all IS
  'With a schedule: whether everything but 2xx is a failure, not only what may pass';
COMMENT ON COLUMN net.endpoint.max_age IS
  'Give up what is older; null: never';
COMMENT ON COLUMN net.endpoint.rate IS
  'Attempts per second; null: any number';
COMMENT ON COLUMN net.endpoint.burst IS
  'How many attempts may go at once after a pause';
COMMENT ON COLUMN net.endpoint.max_in_flight IS
  'Attempts at a time; null: pg_net.max_in_flight_per_host';
COMMENT ON COLUMN net.endpoint.ordered IS
  'Whether the requests of a role that have no ordering_key share one';
COMMENT ON COLUMN net.endpoint.back_off IS
  'If it has a schedule: whether to hold a role''s requests while they fail';
COMMENT ON COLUMN net.endpoint.keep IS
  'Whether a 2xx leaves a response row, unless the request says';
COMMENT ON COLUMN net.endpoint.keep_bytes IS
  'How much of a response''s body to store; null: all';
COMMENT ON COLUMN net.endpoint.signing IS
  'How requests are signed: standard, github or stripe; null: they are not';
COMMENT ON COLUMN net.endpoint.signing_secrets IS
  'Names in net.secret, the current one first';
COMMENT ON COLUMN net.endpoint.client_certificate IS
  'Name in net.secret of a certificate and its key, PEM';
COMMENT ON COLUMN net.endpoint.ca_certificates IS
  'Name in net.secret of the authorities to trust for it, PEM; null: as the settings say';
COMMENT ON COLUMN net.endpoint.connect_to IS
  'Where to connect instead, past any proxy: host, host:port or unix:/path; without a port, that of url';
COMMENT ON COLUMN net.endpoint.paused IS 'Whether its requests wait';
COMMENT ON COLUMN net.endpoint.pause_after IS
  'Pause it when nothing has succeeded for so long, or after a 410 to net://name; null: never';
COMMENT ON COLUMN net.endpoint.pause_reason IS 'Why pg_net paused it last';
SELECT pg_extension_config_dump('net.endpoint', '');

-- No policy, as on net.secret.
ALTER TABLE net.endpoint ENABLE ROW LEVEL SECURITY;

CREATE TRIGGER policy_changed
  AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON net.endpoint
  FOR EACH STATEMENT EXECUTE FUNCTION net._policy_changed();
ALTER TABLE net.endpoint ENABLE ALWAYS TRIGGER policy_changed;
COMMENT ON TRIGGER policy_changed ON net.endpoint IS
  'Tells all sessions and the worker about changes';

--
-- Requests
--
-- Not marked SECURITY DEFINER: the functions themselves switch to the owner of
-- the queue to write to it, and record the calling role. ALTER FUNCTION ...
-- SECURITY DEFINER works; the recorded role is then the function's owner.
-- PARALLEL UNSAFE, because they write.
--

CREATE FUNCTION net.http_get(
  url text,
  params jsonb DEFAULT '{}'::jsonb,
  headers jsonb DEFAULT '{}'::jsonb,
  timeout_milliseconds integer DEFAULT 2000
)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgnet_http_get';
COMMENT ON FUNCTION net.http_get(text, jsonb, jsonb, integer) IS
  'Queue a GET request, sent after commit; returns its id';

CREATE FUNCTION net.http_post(
  url text,
  body jsonb DEFAULT '{}'::jsonb,
  params jsonb DEFAULT '{}'::jsonb,
  headers jsonb DEFAULT '{"Content-Type": "application/json"}'::jsonb,
  timeout_milliseconds integer DEFAULT 2000
)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgnet_http_post';
COMMENT ON FUNCTION net.http_post(text, jsonb, jsonb, jsonb, integer) IS
  'Queue a POST request with a JSON body, sent after commit; returns its id';

CREATE FUNCTION net.http_delete(
  url text,
  params jsonb DEFAULT '{}'::jsonb,
  headers jsonb DEFAULT '{}'::jsonb,
  timeout_milliseconds integer DEFAULT 2000,
  body jsonb DEFAULT NULL
)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgnet_http_delete';
COMMENT ON FUNCTION net.http_delete(text, jsonb, jsonb, integer, jsonb) IS
  'Queue a DELETE request, optionally with a JSON body, sent after commit; returns its id';

CREATE FUNCTION net.http_put(
  url text,
  body jsonb DEFAULT '{}'::jsonb,
  params jsonb DEFAULT '{}'::jsonb,
  headers jsonb DEFAULT '{"Content-Type": "application/json"}'::jsonb,
  timeout_milliseconds integer DEFAULT 2000
)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgnet_http_put';
COMMENT ON FUNCTION net.http_put(text, jsonb, jsonb, jsonb, integer) IS
  'Queue a PUT request with a JSON body, sent after commit; returns its id';

CREATE FUNCTION net.http_patch(
  url text,
  body jsonb DEFAULT '{}'::jsonb,
  params jsonb DEFAULT '{}'::jsonb,
  headers jsonb DEFAULT '{"Content-Type": "application/json"}'::jsonb,
  timeout_milliseconds integer DEFAULT 2000
)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgnet_http_patch';
COMMENT ON FUNCTION net.http_patch(text, jsonb, jsonb, jsonb, integer) IS
  'Queue a PATCH request with a JSON body, sent after commit; returns its id';

CREATE FUNCTION net.http_head(
  url text,
  params jsonb DEFAULT '{}'::jsonb,
  headers jsonb DEFAULT '{}'::jsonb,
  timeout_milliseconds integer DEFAULT 2000
)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgnet_http_head';
COMMENT ON FUNCTION net.http_head(text, jsonb, jsonb, integer) IS
  'Queue a HEAD request, sent after commit; returns its id';

--
-- Bodies: bytes and their content type. A literal is text; casts convert JSON,
-- XML and bytea to a body.
--

CREATE TYPE net.http_body;

CREATE FUNCTION net._http_body_in(cstring)
RETURNS net.http_body
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pgnet_body_in';
COMMENT ON FUNCTION net._http_body_in(cstring) IS 'Input of net.http_body';

CREATE FUNCTION net._http_body_out(net.http_body)
RETURNS cstring
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pgnet_body_out';
COMMENT ON FUNCTION net._http_body_out(net.http_body) IS 'Output of net.http_body';

CREATE FUNCTION net._http_body_recv(internal)
RETURNS net.http_body
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pgnet_body_recv';
COMMENT ON FUNCTION net._http_body_recv(internal) IS 'Binary input of net.http_body';

CREATE FUNCTION net._http_body_send(net.http_body)
RETURNS bytea
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pgnet_body_send';
COMMENT ON FUNCTION net._http_body_send(net.http_body) IS 'Binary output of net.http_body';

CREATE TYPE net.http_body (
  INPUT = net._http_body_in,
  OUTPUT = net._http_body_out,
  RECEIVE = net._http_body_recv,
  SEND = net._http_body_send,
  INTERNALLENGTH = VARIABLE,
  ALIGNMENT = int4,
  STORAGE = extended
);
COMMENT ON TYPE net.http_body IS
  'The body of a request and its content type. A literal is text; jsonb, json, xml and bytea are cast to it';

CREATE FUNCTION net.http_body(text)
RETURNS net.http_body
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pgnet_body_from_text';
CREATE FUNCTION net.http_body(character)
RETURNS net.http_body
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pgnet_body_from_bpchar';
CREATE FUNCTION net.http_body(jsonb)
RETURNS net.http_body
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pgnet_body_from_jsonb';
CREATE FUNCTION net.http_body(json)
RETURNS net.http_body
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pgnet_body_from_json';
CREATE FUNCTION net.http_body(xml)
RETURNS net.http_body
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pgnet_body_from_xml';
CREATE FUNCTION net.http_body(bytea)
RETURNS net.http_body
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pgnet_body_from_bytea';
COMMENT ON FUNCTION net.http_body(text) IS 'A plain text body, in UTF-8';
COMMENT ON FUNCTION net.http_body(character) IS
  'A plain text body, in UTF-8, without trailing blanks';
COMMENT ON FUNCTION net.http_body(jsonb) IS 'A JSON body, in UTF-8';
COMMENT ON FUNCTION net.http_body(json) IS 'A JSON body, in UTF-8';
COMMENT ON FUNCTION net.http_body(xml) IS 'An XML body, in UTF-8';
COMMENT ON FUNCTION net.http_body(bytea) IS 'A body of unmodified bytes';

CREATE CAST (text AS net.http_body)
  WITH FUNCTION net.http_body(text) AS IMPLICIT;
CREATE CAST (character varying AS net.http_body)
  WITH FUNCTION net.http_body(text) AS IMPLICIT;
CREATE CAST (character AS net.http_body)
  WITH FUNCTION net.http_body(character) AS IMPLICIT;
CREATE CAST (jsonb AS net.http_body)
  WITH FUNCTION net.http_body(jsonb) AS IMPLICIT;
CREATE CAST (json AS net.http_body)
  WITH FUNCTION net.http_body(json) AS IMPLICIT;
CREATE CAST (xml AS net.http_body)
  WITH FUNCTION net.http_body(xml) AS IMPLICIT;
CREATE CAST (bytea AS net.http_body)
  WITH FUNCTION net.http_body(bytea) AS IMPLICIT;
COMMENT ON CAST (text AS net.http_body) IS 'text/plain';
COMMENT ON CAST (character varying AS net.http_body) IS 'text/plain';
COMMENT ON CAST (character AS net.http_body) IS 'text/plain';
COMMENT ON CAST (jsonb AS net.http_body) IS 'application/json';
COMMENT ON CAST (json AS net.http_body) IS 'application/json';
COMMENT ON CAST (xml AS net.http_body) IS 'application/xml';
COMMENT ON CAST (bytea AS net.http_body) IS 'application/octet-stream';

CREATE FUNCTION net.form(fields jsonb)
RETURNS net.http_body
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pgnet_form';
COMMENT ON FUNCTION net.form(jsonb) IS
  'The body that an HTML form sends: the members of an object as fields, an array as a repeated name';

CREATE TYPE net.http_part AS (
  name text,
  filename text,
  content_type text,
  content bytea
);
COMMENT ON TYPE net.http_part IS 'One part of a multipart body; see net.part()';

CREATE FUNCTION net.part(
  name text,
  body net.http_body,
  filename text DEFAULT NULL,
  content_type text DEFAULT NULL
)
RETURNS net.http_part
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pgnet_part';
COMMENT ON FUNCTION net.part(text, net.http_body, text, text) IS
  'One part of a multipart body: a file if it has a file name, otherwise a field';

CREATE FUNCTION net.multipart(
  fields jsonb DEFAULT NULL,
  VARIADIC parts net.http_part[] DEFAULT '{}'
)
RETURNS net.http_body
LANGUAGE c VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pgnet_multipart';
COMMENT ON FUNCTION net.multipart(jsonb, net.http_part[]) IS
  'A multipart body: the members of an object as fields, followed by parts';

CREATE FUNCTION net.http_request(
  method text,
  url text,
  params jsonb DEFAULT NULL,
  headers jsonb DEFAULT NULL,
  body net.http_body DEFAULT NULL,
  timeout_milliseconds integer DEFAULT 2000,
  retry interval[] DEFAULT NULL,
  due timestamptz DEFAULT NULL,
  ordering_key text DEFAULT NULL,
  callback text DEFAULT NULL,
  context jsonb DEFAULT NULL,
  keep boolean DEFAULT NULL,
  connect_timeout_milliseconds integer DEFAULT NULL,
  max_redirects integer DEFAULT NULL,
  max_response_bytes bigint DEFAULT NULL,
  decompress boolean DEFAULT NULL,
  http_version text DEFAULT NULL,
  same_origin_headers text[] DEFAULT NULL
)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgnet_http_request';
COMMENT ON FUNCTION net.http_request(text, text, jsonb, jsonb, net.http_body, integer, interval[], timestamptz, text, text, jsonb, boolean, integer, integer, bigint, boolean, text, text[]) IS
  'Queue a request with any method and any body, sent after commit, with a schedule of retries if it has one; returns its id';

CREATE FUNCTION net.backoff(
  attempts integer,
  first interval DEFAULT '5s',
  factor double precision DEFAULT 3,
  longest interval DEFAULT '1 day'
)
RETURNS interval[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN ARRAY(SELECT make_interval(secs => least(extract(epoch FROM first)::float8 * power(factor, n),
                                                extract(epoch FROM longest)::float8))
             FROM generate_series(0, attempts - 2) AS n);
COMMENT ON FUNCTION net.backoff(integer, interval, double precision, interval) IS
  'The delays between so many attempts, for retry: each is factor times the one before, at most longest';

CREATE FUNCTION net.webhook()
RETURNS trigger
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgnet_webhook';
COMMENT ON FUNCTION net.webhook() IS
  'Trigger: send the changed rows. Arguments: url [, method [, headers [, params [, timeout]]]] [, option=value ...]';

CREATE FUNCTION net.resend(request_id bigint, due timestamptz DEFAULT now())
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgnet_resend';
COMMENT ON FUNCTION net.resend(bigint, timestamptz) IS
  'Send a request that was given up again, or one that is queued at another time; false: it is in flight, or not there';

CREATE FUNCTION net.cancel(request_id bigint)
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgnet_cancel';
COMMENT ON FUNCTION net.cancel(bigint) IS
  'Remove a request that is queued or was given up; false: it is in flight, or not there';

--
-- Waiting for responses
--

-- [create]
CREATE TYPE net.request_status AS ENUM ('PENDING', 'SUCCESS', 'ERROR');
-- [end]
COMMENT ON TYPE net.request_status IS
  'Status of a request: queued or in flight, successful, or failed';

-- [create]
CREATE TYPE net.http_response AS (
  status_code integer,
  headers jsonb,
  body text
);
-- [end]
COMMENT ON TYPE net.http_response IS 'An HTTP response';

-- [create]
CREATE TYPE net.http_response_result AS (
  status net.request_status,
  message text,
  response net.http_response
);
-- [end]
COMMENT ON TYPE net.http_response_result IS
  'Status and response of a request, as returned by net._http_collect_response()';

CREATE FUNCTION net._http_collect_response(
  request_id bigint,
  async boolean DEFAULT true
)
RETURNS net.http_response_result
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgnet_collect_response';
COMMENT ON FUNCTION net._http_collect_response(bigint, boolean) IS
  'Return the status and response of a request; with async := false, wait until it is no longer pending';

CREATE FUNCTION net.http_collect_response(
  request_id bigint,
  async boolean DEFAULT true
)
RETURNS net.http_response_result
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgnet_collect_response_deprecated';
COMMENT ON FUNCTION net.http_collect_response(bigint, boolean) IS
  'Deprecated: read net._http_response instead';

CREATE FUNCTION net._await_response(request_id bigint)
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgnet_await_response';
COMMENT ON FUNCTION net._await_response(bigint) IS
  'Wait for the response of a request; false if there is no such request';

CREATE FUNCTION net.await(
  request_ids bigint[],
  at_least integer DEFAULT NULL,
  timeout interval DEFAULT NULL
)
RETURNS SETOF net._http_response
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgnet_await';
COMMENT ON FUNCTION net.await(bigint[], integer, interval) IS
  'Wait until so many of the requests (null: all) are at their end, or for so long (null: for ever); returns the response rows there are then';

--
-- Encoding
--

CREATE FUNCTION net._urlencode_string(string character varying)
RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pgnet_urlencode_string';
COMMENT ON FUNCTION net._urlencode_string(character varying) IS
  'Percent-encode a string as UTF-8 (RFC 3986)';

CREATE FUNCTION net._encode_url_with_params_array(url text, params_array text[])
RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pgnet_encode_url_with_params_array';
COMMENT ON FUNCTION net._encode_url_with_params_array(text, text[]) IS
  'Append parameters, each "key=value" and already percent-encoded, to the query of a URL';

--
-- The worker
--

CREATE FUNCTION net.wake()
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgnet_wake';
COMMENT ON FUNCTION net.wake() IS
  'Make the worker scan the whole queue after this transaction commits';

CREATE FUNCTION net.worker_restart()
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgnet_worker_restart';
COMMENT ON FUNCTION net.worker_restart() IS
  'Reload the server configuration and restart the worker of this database';
-- [create]
REVOKE ALL ON FUNCTION net.worker_restart() FROM PUBLIC;
-- [end]

CREATE FUNCTION net.wait_until_running()
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgnet_wait_until_running';
COMMENT ON FUNCTION net.wait_until_running() IS
  'Wait until the worker of this database is running; start it if necessary';

CREATE FUNCTION net.check_worker_is_up()
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgnet_check_worker_is_up';
COMMENT ON FUNCTION net.check_worker_is_up() IS
  'Raise an error if the worker of this database should be running and is not';

CREATE FUNCTION net.set_durable(durable boolean)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgnet_set_durable';
COMMENT ON FUNCTION net.set_durable(boolean) IS
  'Make the queue and the responses logged, so that they survive crashes and failovers, or unlogged, which is faster and the default; for the owner of the tables';
REVOKE ALL ON FUNCTION net.set_durable(boolean) FROM PUBLIC;

--
-- Statistics
--
-- The functions are for the views. They show to each role what it may see.
--

CREATE FUNCTION net._stat_worker(
  OUT datname name,
  OUT pids integer[],
  OUT waiting bigint,
  OUT in_flight integer,
  OUT scheduled bigint,
  OUT gave_up bigint,
  OUT callbacks_waiting bigint,
  OUT oldest_waiting timestamptz,
  OUT next_due timestamptz,
  OUT sent bigint,
  OUT done bigint,
  OUT failed bigint,
  OUT retried bigint,
  OUT given_up bigint,
  OUT called bigint,
  OUT call_errors bigint,
  OUT record_batches bigint,
  OUT record_ms double precision,
  OUT short_of text,
  OUT durable boolean,
  OUT last_error text,
  OUT last_error_at timestamptz,
  OUT stats_reset timestamptz
)
RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL RESTRICTED ROWS 10
AS 'MODULE_PATHNAME', 'pgnet_stat_worker';
COMMENT ON FUNCTION net._stat_worker() IS 'The rows of net.stat_worker';

CREATE VIEW net.stat_worker AS
  SELECT s.datname, s.pids, s.waiting, s.in_flight, s.scheduled, s.gave_up, s.callbacks_waiting,
         s.oldest_waiting, s.next_due, s.sent, s.done, s.failed, s.retried, s.given_up, s.called,
         s.call_errors, s.record_batches, s.record_ms, s.short_of, s.durable, s.last_error,
         s.last_error_at, s.stats_reset
  FROM net._stat_worker() AS s;
COMMENT ON VIEW net.stat_worker IS
  'One row for each database that pg_net serves: how much waits, what was done, and what is wrong. Roles without the rights of pg_read_all_stats see the row of this database';
COMMENT ON COLUMN net.stat_worker.datname IS 'The database';
COMMENT ON COLUMN net.stat_worker.pids IS 'The process ids of its workers; empty if no worker is running';
COMMENT ON COLUMN net.stat_worker.waiting IS
  'Requests that are not in flight and not scheduled: those that are held, and those of open transactions, are among them';
COMMENT ON COLUMN net.stat_worker.in_flight IS
  'Requests that were sent and whose outcome is not recorded';
COMMENT ON COLUMN net.stat_worker.scheduled IS
  'Requests that are due later, those that failed and are sent again among them';
COMMENT ON COLUMN net.stat_worker.gave_up IS
  'Requests that were given up and can be sent again with net.resend()';
COMMENT ON COLUMN net.stat_worker.callbacks_waiting IS
  'Responses whose callback has not been called';
COMMENT ON COLUMN net.stat_worker.oldest_waiting IS
  'Since when the oldest waiting request has been ready to send, without those that an endpoint holds; null if none is. A commit that no worker has noticed counts';
COMMENT ON COLUMN net.stat_worker.next_due IS
  'When the next scheduled request is due or the next given-up request is removed; null if nothing is scheduled or given up';
COMMENT ON COLUMN net.stat_worker.sent IS 'Attempts that have ended';
COMMENT ON COLUMN net.stat_worker.done IS 'Requests with a response, whatever its status, that are not sent again';
COMMENT ON COLUMN net.stat_worker.failed IS 'Requests without a schedule that failed';
COMMENT ON COLUMN net.stat_worker.retried IS 'Attempts after which the request is sent again';
COMMENT ON COLUMN net.stat_worker.given_up IS 'Requests that were given up';
COMMENT ON COLUMN net.stat_worker.called IS 'Callbacks that succeeded';
COMMENT ON COLUMN net.stat_worker.call_errors IS 'Callbacks that failed for good';
COMMENT ON COLUMN net.stat_worker.record_batches IS 'Transactions that stored outcomes';
COMMENT ON COLUMN net.stat_worker.record_ms IS 'Milliseconds that they took together';
COMMENT ON COLUMN net.stat_worker.short_of IS
  'What limits sending: descriptors, ports, memory, threads or processes; null: nothing';
COMMENT ON COLUMN net.stat_worker.durable IS
  'Whether the tables survive a crash of the server; null: not known yet. See net.set_durable()';
COMMENT ON COLUMN net.stat_worker.last_error IS
  'The last warning or error that the worker wrote to the log; null for roles without the rights of pg_read_all_stats';
COMMENT ON COLUMN net.stat_worker.last_error_at IS 'When that was';
COMMENT ON COLUMN net.stat_worker.stats_reset IS
  'When the counters were set to zero; null: never';

CREATE FUNCTION net._stat_endpoint(
  OUT endpoint text,
  OUT state text,
  OUT resumes timestamptz,
  OUT failing_since timestamptz,
  OUT failures_in_row integer,
  OUT waiting bigint,
  OUT in_flight integer,
  OUT oldest_waiting timestamptz,
  OUT sent bigint,
  OUT retried bigint,
  OUT given_up bigint,
  OUT connections bigint,
  OUT request_bytes bigint,
  OUT response_bytes bigint,
  OUT status_2xx bigint,
  OUT status_3xx bigint,
  OUT status_4xx bigint,
  OUT status_429 bigint,
  OUT status_5xx bigint,
  OUT timeouts bigint,
  OUT connect_failures bigint,
  OUT tls_failures bigint,
  OUT other_failures bigint,
  OUT dns_ms double precision,
  OUT connect_ms double precision,
  OUT tls_ms double precision,
  OUT first_byte_ms double precision,
  OUT total_ms double precision,
  OUT latency bigint[],
  OUT last_success timestamptz,
  OUT last_failure timestamptz,
  OUT last_error text,
  OUT stats_reset timestamptz
)
RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL RESTRICTED ROWS 100
AS 'MODULE_PATHNAME', 'pgnet_stat_endpoint';
COMMENT ON FUNCTION net._stat_endpoint() IS 'The rows of net.stat_endpoint';

CREATE VIEW net.stat_endpoint AS
  SELECT s.endpoint, s.state, s.resumes, s.failing_since, s.failures_in_row, s.waiting, s.in_flight,
         s.oldest_waiting, s.sent, s.retried, s.given_up, s.connections, s.request_bytes,
         s.response_bytes, s.status_2xx, s.status_3xx, s.status_4xx, s.status_429, s.status_5xx,
         s.timeouts, s.connect_failures, s.tls_failures, s.other_failures, s.dns_ms, s.connect_ms,
         s.tls_ms, s.first_byte_ms, s.total_ms, s.latency, s.last_success, s.last_failure, s.last_error,
         s.stats_reset
  FROM net._stat_endpoint() AS s;
COMMENT ON VIEW net.stat_endpoint IS
  'One row for each endpoint, and for each origin that plain URLs were sent to lately: how it is, and what was counted. Roles without the rights of pg_read_all_stats see the endpoints that they may use';
COMMENT ON COLUMN net.stat_endpoint.endpoint IS
  'The name of an endpoint, or the origin of plain URLs: https://api.example.com:443';
COMMENT ON COLUMN net.stat_endpoint.state IS
  'ok; backing off: after failures, requests of some role are held; paused';
COMMENT ON COLUMN net.stat_endpoint.resumes IS
  'Until when they are held; null: they are not, or one goes alone, or for an endpoint that is paused';
COMMENT ON COLUMN net.stat_endpoint.failing_since IS
  'When the first of the failures in a row was; null: the last attempt succeeded';
COMMENT ON COLUMN net.stat_endpoint.failures_in_row IS
  'Attempts that failed since the last one that succeeded, of all roles: no response, 429 or 5xx; with retry_all, anything but 2xx';
COMMENT ON COLUMN net.stat_endpoint.waiting IS
  'Requests that are not in flight and not scheduled, as far as the worker has read them';
COMMENT ON COLUMN net.stat_endpoint.in_flight IS
  'Requests that were sent and whose outcome is not recorded';
COMMENT ON COLUMN net.stat_endpoint.oldest_waiting IS
  'Since when the oldest of the waiting requests could be sent; null: none waits';
COMMENT ON COLUMN net.stat_endpoint.sent IS 'Attempts that have ended';
COMMENT ON COLUMN net.stat_endpoint.retried IS 'Attempts after which the request is sent again';
COMMENT ON COLUMN net.stat_endpoint.given_up IS 'Requests that were given up';
COMMENT ON COLUMN net.stat_endpoint.connections IS 'Attempts that made a new connection';
COMMENT ON COLUMN net.stat_endpoint.request_bytes IS 'Bytes of request bodies';
COMMENT ON COLUMN net.stat_endpoint.response_bytes IS
  'Bytes of response bodies, before decompression';
COMMENT ON COLUMN net.stat_endpoint.status_2xx IS 'Responses with a status of 200 to 299';
COMMENT ON COLUMN net.stat_endpoint.status_3xx IS
  'Responses with a status of 300 to 399, after redirects that were followed';
COMMENT ON COLUMN net.stat_endpoint.status_4xx IS 'Responses with a status of 400 to 499';
COMMENT ON COLUMN net.stat_endpoint.status_429 IS
  'Those of them with the status 429, too many requests';
COMMENT ON COLUMN net.stat_endpoint.status_5xx IS 'Responses with a status of 500 to 599';
COMMENT ON COLUMN net.stat_endpoint.timeouts IS 'Attempts that timed out';
COMMENT ON COLUMN net.stat_endpoint.connect_failures IS
  'Attempts that found no address or no connection';
COMMENT ON COLUMN net.stat_endpoint.tls_failures IS 'Attempts that failed in the TLS handshake';
COMMENT ON COLUMN net.stat_endpoint.other_failures IS 'Other attempts without a complete response';
COMMENT ON COLUMN net.stat_endpoint.dns_ms IS
  'Milliseconds spent to look up host names; this and the following are sums over all attempts';
COMMENT ON COLUMN net.stat_endpoint.connect_ms IS
  'Milliseconds to establish TCP connections after that';
COMMENT ON COLUMN net.stat_endpoint.tls_ms IS 'Milliseconds for TLS handshakes after that';
COMMENT ON COLUMN net.stat_endpoint.first_byte_ms IS
  'Milliseconds from sending to the first byte of the response';
COMMENT ON COLUMN net.stat_endpoint.total_ms IS 'Milliseconds from sending to the end';
COMMENT ON COLUMN net.stat_endpoint.latency IS
  'Complete responses by how long they took: up to 1, 2, 5, 10, 20, 50, 100, 200, 500 ms, 1, 2, 5, 10, 30, 60 s, and longer. Each is counted once';
COMMENT ON COLUMN net.stat_endpoint.last_success IS 'When the last attempt that succeeded ended';
COMMENT ON COLUMN net.stat_endpoint.last_failure IS
  'When the last attempt that failed ended, or was refused before it was sent';
COMMENT ON COLUMN net.stat_endpoint.last_error IS
  'Its status or error; null for roles without the rights of pg_read_all_stats';
COMMENT ON COLUMN net.stat_endpoint.stats_reset IS
  'When the counters were set to zero; null: never';

CREATE FUNCTION net.stat_reset(endpoint text DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgnet_stat_reset';
COMMENT ON FUNCTION net.stat_reset(text) IS
  'Set the counters of one row of net.stat_endpoint to zero; null: all counters of this database';
REVOKE ALL ON FUNCTION net.stat_reset(text) FROM PUBLIC;

CREATE FUNCTION net._stat_in_flight(OUT id bigint, OUT started timestamptz)
RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL RESTRICTED ROWS 100
AS 'MODULE_PATHNAME', 'pgnet_stat_in_flight';
COMMENT ON FUNCTION net._stat_in_flight() IS
  'The requests of this database that are in flight, for net.stat_activity';

CREATE FUNCTION net._stat_is_held(url text, role regrole)
RETURNS boolean
LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'pgnet_stat_is_held';
COMMENT ON FUNCTION net._stat_is_held(text, regrole) IS
  'Whether the endpoint of a URL is backing off for a role, for net.stat_activity';

CREATE FUNCTION net._stat_attempts(failures jsonb, OUT failed integer, OUT last_error text)
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pgnet_stat_attempts';
COMMENT ON FUNCTION net._stat_attempts(jsonb) IS
  'How many attempts of the current round failed, as the log has them, and the last status or error';

CREATE FUNCTION net._stat_sees_all(content boolean)
RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'pgnet_stat_sees_all';
COMMENT ON FUNCTION net._stat_sees_all(boolean) IS
  'Whether the current role sees the requests of all roles in net.stat_activity; content: all of them, and not only what pg_read_all_stats shows';

CREATE FUNCTION net._stat_url(url text, with_query boolean)
RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pgnet_stat_url';
COMMENT ON FUNCTION net._stat_url(text, boolean) IS
  'A URL without user and password, and without its query unless asked for';

CREATE FUNCTION net._endpoint_name(url text)
RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pgnet_endpoint_name';
COMMENT ON FUNCTION net._endpoint_name(text) IS
  'The name of the endpoint in net://name/path; null for other URLs';

CREATE VIEW net.stat_activity WITH (security_barrier) AS
  SELECT q.id, q.role, q.method::text AS method,
         net._stat_url(q.url, sees.own OR all_roles.content) AS url,
         CASE WHEN q.gave_up IS NOT NULL THEN 'gave up'
              WHEN f.id IS NOT NULL THEN 'in flight'
              WHEN q.due > clock_timestamp() AND log.failed > 0 THEN 'retrying'
              WHEN q.due > clock_timestamp() THEN 'scheduled'
              WHEN e.paused OR (e.back_off AND cardinality(e.retry) > 0 AND net._stat_is_held(q.url, q.role)) THEN 'held'
              ELSE 'waiting' END AS state,
         q.queued, q.due, f.started,
         CASE WHEN q.gave_up IS NULL THEN log.failed + 1 ELSE log.failed END AS attempt,
         log.last_error,
         CASE WHEN sees.own OR all_roles.content THEN q.context END AS context
  FROM ONLY net.http_request_queue AS q
  CROSS JOIN (SELECT net._stat_sees_all(false) AS some, net._stat_sees_all(true) AS content OFFSET 0) AS all_roles
  CROSS JOIN LATERAL (SELECT coalesce(pg_has_role(q.role, 'USAGE'), false) AS own) AS sees
  CROSS JOIN LATERAL net._stat_attempts(q.failures) AS log
  LEFT JOIN net._stat_in_flight() AS f ON f.id = q.id
  LEFT JOIN ONLY net.endpoint AS e ON e.name = net._endpoint_name(q.url)
  WHERE sees.own OR all_roles.some;
COMMENT ON VIEW net.stat_activity IS
  'One row for each row of the queue: where a request is, and what came of it so far. A role sees its own requests and those of roles it is a member of; pg_read_all_stats sees those of others without query and context';
COMMENT ON COLUMN net.stat_activity.id IS 'The id of the request';
COMMENT ON COLUMN net.stat_activity.role IS 'The role that made the request';
COMMENT ON COLUMN net.stat_activity.method IS 'The HTTP method';
COMMENT ON COLUMN net.stat_activity.url IS
  'The URL, with user name and password replaced by ***';
COMMENT ON COLUMN net.stat_activity.state IS
  'waiting; held: the endpoint is paused or backing off; in flight; scheduled: due later; retrying: the same, after an attempt that failed; gave up';
COMMENT ON COLUMN net.stat_activity.queued IS
  'When the transaction that queued the request began';
COMMENT ON COLUMN net.stat_activity.due IS
  'When the worker acts on the request next; null: at once';
COMMENT ON COLUMN net.stat_activity.started IS
  'When the request that is in flight was sent; null: it is not in flight';
COMMENT ON COLUMN net.stat_activity.attempt IS
  'Which attempt is in flight or next, counted since the request was queued or sent again with net.resend(); of what was given up, the last one';
COMMENT ON COLUMN net.stat_activity.last_error IS
  'The status or the error of the last attempt that failed; null: none did';
COMMENT ON COLUMN net.stat_activity.context IS 'What comes back in the response row';
GRANT SELECT ON net.stat_worker, net.stat_endpoint, net.stat_activity TO PUBLIC;

-- [update]
--
-- What users had changed
--

DO $$
DECLARE
  f record;
  setting text;
  name text;
  value text;
  grantee json;
BEGIN
  FOR f IN SELECT * FROM json_to_recordset(current_setting('pg_net_update.functions')::json)
           AS x (signature text, definer boolean, config text[], dropped boolean, acl json) LOOP
    IF f.dropped THEN
      f.signature := 'net.http_delete(text,jsonb,jsonb,integer,jsonb)';
      IF f.acl IS NOT NULL THEN
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f.signature);
        FOR grantee IN SELECT json_array_elements(f.acl) LOOP
          EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %s%s', f.signature, grantee->>'grantee',
                         CASE WHEN grantee->>'grantee' <> 'PUBLIC' AND (grantee->>'grantable')::boolean
                              THEN ' WITH GRANT OPTION' ELSE '' END);
        END LOOP;
      END IF;
    END IF;
    IF f.definer THEN
      EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER', f.signature);
    END IF;
    FOREACH setting IN ARRAY coalesce(f.config, '{}') LOOP
      name := split_part(setting, '=', 1);
      value := current_setting(name, true);
      PERFORM set_config(name, substr(setting, strpos(setting, '=') + 1), true);
      EXECUTE format('ALTER FUNCTION %s SET %s FROM CURRENT', f.signature, name);
      PERFORM set_config(name, value, true);
    END LOOP;
  END LOOP;
END
$$;

-- Who updates may be another one than who created the extension.
DO $$
DECLARE
  owner name := (SELECT pg_get_userbyid(relowner) FROM pg_class
                 WHERE oid = 'net.http_request_queue'::regclass);
  object record;
BEGIN
  IF owner = current_user THEN
    RETURN;
  END IF;
  FOR object IN
    SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END AS kind, c.oid::regclass::text AS name
    FROM pg_depend AS d JOIN pg_class AS c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
    WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass AND c.relkind IN ('r', 'S', 'v')
      AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_net') AND c.relowner <> owner::regrole
    UNION ALL
    SELECT 'FUNCTION', p.oid::regprocedure::text
    FROM pg_depend AS d JOIN pg_proc AS p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
    WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
      AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_net') AND p.proowner <> owner::regrole
    UNION ALL
    SELECT 'TYPE', t.oid::regtype::text
    FROM pg_depend AS d JOIN pg_type AS t ON d.classid = 'pg_type'::regclass AND t.oid = d.objid
    WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
      AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_net') AND t.typowner <> owner::regrole
      AND (t.typtype IN ('b', 'd', 'e') OR EXISTS (SELECT FROM pg_class WHERE oid = t.typrelid AND relkind = 'c'))
      AND NOT EXISTS (SELECT FROM pg_type AS element WHERE element.typarray = t.oid)
  LOOP
    EXECUTE format('ALTER %s %s OWNER TO %I', object.kind, object.name, owner);
  END LOOP;
END
$$;

-- The worker fires triggers with a search_path of its own.
DO $$
DECLARE
  t record;
  path text := (SELECT reset_val FROM pg_settings WHERE name = 'search_path');
BEGIN
  FOR t IN
    SELECT g.tgname AS name, g.tgrelid::regclass AS relation, p.oid::regprocedure AS function
    FROM pg_trigger AS g JOIN pg_proc AS p ON p.oid = g.tgfoid JOIN pg_language AS l ON l.oid = p.prolang
    WHERE g.tgrelid IN ('net.http_request_queue'::regclass, 'net._http_response'::regclass)
      AND NOT g.tgisinternal AND l.lanname NOT IN ('c', 'internal') AND p.prosqlbody IS NULL
      AND NOT EXISTS (SELECT FROM unnest(p.proconfig) AS s WHERE s LIKE 'search_path=%')
  LOOP
    RAISE WARNING 'trigger "%" on % runs with search_path = pg_catalog, pg_temp from now on', t.name, t.relation
      USING DETAIL = format('If its function %s does not qualify all names, it fails, and its effect is lost.', t.function),
            HINT = format('ALTER FUNCTION %s SET search_path = %s, pg_temp', t.function, path);
  END LOOP;
END
$$;
-- [end]

-- The worker may wait for this.
SELECT net.wake();
