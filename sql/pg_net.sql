-- pg_net: asynchronous HTTP and HTTPS requests from SQL
--
-- The whole SQL surface, in the order data flows: the queue, the responses,
-- the functions that fill the one and read the other, the worker.

-- complain if the script is sourced in psql, rather than through CREATE EXTENSION
\echo Use "CREATE EXTENSION pg_net" to load this file. \quit

-- Names in this script mean what they mean in pg_catalog: without this they
-- could mean a function that somebody put into the schema of the session.
SET LOCAL search_path = pg_catalog, pg_temp;

-- Not IF NOT EXISTS: a schema of that name that was there before is not ours,
-- and whoever owns it could change what we put into it.
CREATE SCHEMA net;
COMMENT ON SCHEMA net IS
  'pg_net: asynchronous HTTP and HTTPS requests from SQL. A crash of the server empties queue and responses, unless net.set_durable(true) made them durable';
GRANT USAGE ON SCHEMA net TO PUBLIC;

--
-- The queue
--

CREATE DOMAIN net.http_method AS text
  CHECK (VALUE OPERATOR(pg_catalog.~) '^[A-Za-z0-9!#$%&''*+.^_`|~-]+$');
COMMENT ON DOMAIN net.http_method IS
  'The method of a request, a token such as GET or POST (RFC 9110, section 9.1)';

-- Logged, and not owned by the table: an id is not used twice, not after a
-- crash, a failover or TRUNCATE ... RESTART IDENTITY. See net._installation.
CREATE SEQUENCE net.http_request_queue_id_seq;
COMMENT ON SEQUENCE net.http_request_queue_id_seq IS
  'Ids of requests, not used twice; after a crash or a failover they go on 1048576 higher';

CREATE TABLE net._installation (
  one boolean CONSTRAINT _installation_pkey PRIMARY KEY DEFAULT true
    CONSTRAINT _installation_one_check CHECK (one),
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  timeline integer
);
COMMENT ON TABLE net._installation IS
  'One row, not written by pg_dump and not taken over by logical replication: what this installation is, and on which timeline it last gave out ids';
COMMENT ON COLUMN net._installation.one IS 'Keeps it one row';
COMMENT ON COLUMN net._installation.id IS
  'Tells this installation from all others';
COMMENT ON COLUMN net._installation.timeline IS
  'The timeline of the server''s history that ids were last given out on; on another one, a failover may have lost some that were, and the next ids are higher';
INSERT INTO net._installation (timeline)
VALUES (('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::integer);

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
  secret_headers text[],
  queued timestamptz NOT NULL DEFAULT now()
);
-- A body is here for a moment: compressing it costs more than its room.
ALTER TABLE net.http_request_queue ALTER COLUMN body SET STORAGE EXTERNAL;
COMMENT ON TABLE net.http_request_queue IS
  'Requests that wait or are in flight. A row goes when its response is stored; deleting one that waits cancels it. Rows inserted by hand are sent after net.wake(). Unlogged, the default: a crash of the server empties the table. Logged, see net.set_durable(): what was committed is sent, at least once, after a crash and after a failover, too';
COMMENT ON COLUMN net.http_request_queue.id IS
  'What the request functions return, and the id of the response';
COMMENT ON COLUMN net.http_request_queue.method IS 'The HTTP method';
COMMENT ON COLUMN net.http_request_queue.url IS
  'The absolute http or https URL, query included';
COMMENT ON COLUMN net.http_request_queue.headers IS
  'Header fields, a JSON object of names and values';
COMMENT ON COLUMN net.http_request_queue.body IS
  'The exact bytes of the body; null for none';
COMMENT ON COLUMN net.http_request_queue.timeout_milliseconds IS
  'How long the request may take from when it is sent, in milliseconds';
COMMENT ON COLUMN net.http_request_queue.role IS
  'The role that asked; it and its members see this row';
COMMENT ON COLUMN net.http_request_queue.connect_timeout_milliseconds IS
  'How long it may take of that to have a connection, in milliseconds; null for pg_net.connect_timeout';
COMMENT ON COLUMN net.http_request_queue.max_redirects IS
  'How many redirects to follow, 0 for none; null for pg_net.max_redirects';
COMMENT ON COLUMN net.http_request_queue.max_response_bytes IS
  'How large the body of the response may be; null for pg_net.max_response_size, which is the most it can be';
COMMENT ON COLUMN net.http_request_queue.decompress IS
  'Whether to ask for a compressed response, and decompress it; null for pg_net.decompress';
COMMENT ON COLUMN net.http_request_queue.http_version IS
  'The newest version of HTTP to speak, 1.0, 1.1 or 2; null for pg_net.http_version';
COMMENT ON COLUMN net.http_request_queue.secret_headers IS
  'Names of headers that a redirect must not take to another origin, beside those that look like credentials';
COMMENT ON COLUMN net.http_request_queue.queued IS
  'When the transaction that queued the request began';

CREATE FUNCTION net._queue_changed()
RETURNS trigger
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgnet_queue_changed';
COMMENT ON FUNCTION net._queue_changed() IS
  'Trigger of net.http_request_queue: a row that is changed or removed before its turn is sent as it is then, or not at all';
REVOKE ALL ON FUNCTION net._queue_changed() FROM PUBLIC;

CREATE TRIGGER queue_changed
  AFTER UPDATE OR DELETE OR TRUNCATE ON net.http_request_queue
  FOR EACH STATEMENT EXECUTE FUNCTION net._queue_changed();
ALTER TABLE net.http_request_queue ENABLE ALWAYS TRIGGER queue_changed;
COMMENT ON TRIGGER queue_changed ON net.http_request_queue IS
  'Tells the worker of changed and removed rows';

CREATE FUNCTION net._queue_insert()
RETURNS trigger
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgnet_queue_insert_trigger';
COMMENT ON FUNCTION net._queue_insert() IS
  'Trigger of net.http_request_queue: rows inserted by hand get ids that were not used before';
REVOKE ALL ON FUNCTION net._queue_insert() FROM PUBLIC;

CREATE TRIGGER queue_insert
  BEFORE INSERT ON net.http_request_queue
  FOR EACH STATEMENT EXECUTE FUNCTION net._queue_insert();
COMMENT ON TRIGGER queue_insert ON net.http_request_queue IS
  'Has ids go on higher after a crash or a failover';

--
-- The responses
--

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
  remote_port integer
);
-- Six times as fast as pglz on JSON, which the worker would wait for; a server
-- built without it keeps pglz.
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
CREATE INDEX _http_response_created_idx ON net._http_response (created);
-- Without one, nothing could be removed while a publication has the table. It
-- costs WAL only when the table is logged and wal_level is logical.
ALTER TABLE net._http_response REPLICA IDENTITY FULL;
COMMENT ON TABLE net._http_response IS
  'What became of requests, kept for pg_net.ttl. Unlogged, the default: a crash of the server empties the table; see net.set_durable()';
COMMENT ON COLUMN net._http_response.id IS 'The id of the request';
COMMENT ON COLUMN net._http_response.status_code IS
  'The HTTP status code; null when no response came';
COMMENT ON COLUMN net._http_response.content_type IS
  'The Content-Type of the response, as received';
COMMENT ON COLUMN net._http_response.headers IS
  'Header fields of the response, a JSON object; repeated ones joined by ", ", Set-Cookie as an array when repeated';
COMMENT ON COLUMN net._http_response.content IS
  'The body, when it is text; see also content_bytes';
COMMENT ON COLUMN net._http_response.timed_out IS
  'Whether the timeout of the request went by first';
COMMENT ON COLUMN net._http_response.error_msg IS
  'Why no response came; null when one did, whatever its status';
COMMENT ON COLUMN net._http_response.created IS
  'When the response was stored';
COMMENT ON COLUMN net._http_response.content_bytes IS
  'The body, when it is not text the database can hold; null otherwise';
COMMENT ON COLUMN net._http_response.role IS
  'The role that asked; it and its members see this row';
COMMENT ON COLUMN net._http_response.method IS 'The method of the request';
COMMENT ON COLUMN net._http_response.url IS
  'The URL of the request, user and password replaced by ***';
COMMENT ON COLUMN net._http_response.final_url IS
  'The URL that redirects led to, masked likewise; null when none was followed';
COMMENT ON COLUMN net._http_response.attempts IS
  'How often the request was sent: 0 when it could not be, 2 when a kept connection turned out to be closed';
COMMENT ON COLUMN net._http_response.started IS
  'When the request was sent; its timeout and duration_ms run from here';
COMMENT ON COLUMN net._http_response.duration_ms IS
  'Milliseconds from started to the end of the response, or of the failure';
COMMENT ON COLUMN net._http_response.dns_ms IS
  'Milliseconds to look up the host name; null when a kept connection was used';
COMMENT ON COLUMN net._http_response.connect_ms IS
  'Milliseconds to connect by TCP after that; null when a kept connection was used or that was not reached';
COMMENT ON COLUMN net._http_response.tls_ms IS
  'Milliseconds to agree on TLS after that; null likewise, and for http';
COMMENT ON COLUMN net._http_response.first_byte_ms IS
  'Milliseconds from started to the first byte of the response; null when none came';
COMMENT ON COLUMN net._http_response.request_bytes IS
  'Bytes of body sent';
COMMENT ON COLUMN net._http_response.response_bytes IS
  'Bytes of body received, before decompression';
COMMENT ON COLUMN net._http_response.http_version IS
  'The version of HTTP that the server answered in: 1.0, 1.1, 2 or 3';
COMMENT ON COLUMN net._http_response.remote_address IS
  'The address that the connection went to';
COMMENT ON COLUMN net._http_response.remote_port IS
  'The port that the connection went to';
COMMENT ON INDEX net._http_response_id_idx IS 'Finds the response of a request';
COMMENT ON INDEX net._http_response_created_idx IS 'Finds responses older than pg_net.ttl';

--
-- After a crash
--
-- A request that kills the worker, by a fault in a library, must not kill it
-- for ever. The worker finds out that the one before it died, and then writes
-- down which of the requests that waited are in flight, before it sends them.
--

CREATE TABLE net._suspect (
  id bigint CONSTRAINT _suspect_pkey PRIMARY KEY,
  deaths integer NOT NULL DEFAULT 0,
  in_flight boolean NOT NULL,
  alone boolean NOT NULL DEFAULT true,
  beside integer NOT NULL DEFAULT 0
);
COMMENT ON TABLE net._suspect IS
  'Requests that waited when the worker died, and were sent again since. Empty in normal running';
COMMENT ON COLUMN net._suspect.id IS 'The id of the request';
COMMENT ON COLUMN net._suspect.deaths IS
  'How often the worker died while this request was in flight; after the first time, only with no others but such';
COMMENT ON COLUMN net._suspect.in_flight IS
  'Whether the request is in flight, written down before it is sent';
COMMENT ON COLUMN net._suspect.alone IS
  'Whether only requests with deaths are in flight with it, so that a death counts';
COMMENT ON COLUMN net._suspect.beside IS
  'How often the worker died while others were in flight, too: they wait longer for this request each time';

CREATE UNLOGGED TABLE net._no_crash (
  since timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE net._no_crash IS
  'One row. It must be unlogged: a crash of the server takes the row away, and so the worker learns of the crash';
COMMENT ON COLUMN net._no_crash.since IS
  'When the worker noticed the last crash, or when the extension was created';
INSERT INTO net._no_crash DEFAULT VALUES;

--
-- Logical replication
--
-- A copy of a request would be sent a second time, and ids of another server
-- mean other requests here. So what is replicated stops at these tables.
--

CREATE FUNCTION net._not_replicated()
RETURNS trigger
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgnet_not_replicated';
COMMENT ON FUNCTION net._not_replicated() IS
  'Trigger of tables that are of this server only: what session_replication_role = replica writes is left out';
REVOKE ALL ON FUNCTION net._not_replicated() FROM PUBLIC;

CREATE TRIGGER not_replicated
  BEFORE INSERT OR UPDATE OR DELETE ON net.http_request_queue
  FOR EACH ROW EXECUTE FUNCTION net._not_replicated();
CREATE TRIGGER not_replicated
  BEFORE INSERT OR UPDATE OR DELETE ON net._http_response
  FOR EACH ROW EXECUTE FUNCTION net._not_replicated();
CREATE TRIGGER not_replicated
  BEFORE INSERT OR UPDATE OR DELETE ON net._suspect
  FOR EACH ROW EXECUTE FUNCTION net._not_replicated();
CREATE TRIGGER not_replicated
  BEFORE INSERT OR UPDATE OR DELETE ON net._installation
  FOR EACH ROW EXECUTE FUNCTION net._not_replicated();
ALTER TABLE net.http_request_queue ENABLE REPLICA TRIGGER not_replicated;
ALTER TABLE net._http_response ENABLE REPLICA TRIGGER not_replicated;
ALTER TABLE net._suspect ENABLE REPLICA TRIGGER not_replicated;
ALTER TABLE net._installation ENABLE REPLICA TRIGGER not_replicated;
COMMENT ON TRIGGER not_replicated ON net.http_request_queue IS
  'Leaves out requests of a publisher, who sends them';
COMMENT ON TRIGGER not_replicated ON net._http_response IS
  'Leaves out responses of a publisher: their ids mean other requests here';
COMMENT ON TRIGGER not_replicated ON net._suspect IS
  'Leaves out suspects of a publisher';
COMMENT ON TRIGGER not_replicated ON net._installation IS
  'Leaves out what identifies a publisher';

--
-- Who sees what: a role its own requests and responses, and those of roles it
-- is a member of. The owner, superusers, roles with BYPASSRLS and members of
-- pg_read_all_data see all, and the last only see. What the worker keeps for
-- itself can be read by who may, and written by the owner alone, whatever
-- else a role may write (pg_write_all_data).
--

ALTER TABLE net.http_request_queue ENABLE ROW LEVEL SECURITY;
ALTER TABLE net._http_response ENABLE ROW LEVEL SECURITY;
ALTER TABLE net._suspect ENABLE ROW LEVEL SECURITY;
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
CREATE POLICY all_suspects ON net._suspect FOR SELECT USING (true);
CREATE POLICY no_crash ON net._no_crash FOR SELECT USING (true);
COMMENT ON POLICY own_requests ON net.http_request_queue IS
  'A role has access to its own requests only';
COMMENT ON POLICY own_responses ON net._http_response IS
  'A role has access to its own responses only';
COMMENT ON POLICY all_requests ON net.http_request_queue IS
  'Members of pg_read_all_data read the requests of all roles';
COMMENT ON POLICY all_responses ON net._http_response IS
  'Members of pg_read_all_data read the responses of all roles';
COMMENT ON POLICY all_suspects ON net._suspect IS
  'Whoever may read the table reads all rows; nobody but the owner writes';
COMMENT ON POLICY no_crash ON net._no_crash IS
  'Whoever may read the table reads all rows; nobody but the owner writes';

GRANT SELECT ON net.http_request_queue, net._http_response TO PUBLIC;

--
-- Who may send what to where
--

CREATE FUNCTION net._is_host_pattern(pattern text)
RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pgnet_is_host_pattern';
COMMENT ON FUNCTION net._is_host_pattern(text) IS
  'Whether it is a host, *.name for the hosts below name, or * for every host';

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
  'Rules of who may send what to where, for the owner to fill. The first one that matches decides; without any, everything is allowed; if there are some and none matches, it is not. Kept by pg_dump';
COMMENT ON COLUMN net.access_rule.position IS
  'The order in which rules are tried';
COMMENT ON COLUMN net.access_rule.allow IS
  'Whether a request that matches may be sent';
COMMENT ON COLUMN net.access_rule.role IS
  'The rule is for this role and its members; null: for every role. A name without a role matches nobody';
COMMENT ON COLUMN net.access_rule.scheme IS 'http or https; null: both';
COMMENT ON COLUMN net.access_rule.host IS
  'A host; *.name: every host below name, without name itself; *: every host. IPv6 addresses in brackets';
COMMENT ON COLUMN net.access_rule.ports IS 'Ports; null: all';
COMMENT ON COLUMN net.access_rule.methods IS 'HTTP methods; null: all';
SELECT pg_extension_config_dump('net.access_rule', '');

-- pg_write_all_data does not write here.
ALTER TABLE net.access_rule ENABLE ROW LEVEL SECURITY;
CREATE POLICY all_rules ON net.access_rule FOR SELECT USING (true);
COMMENT ON POLICY all_rules ON net.access_rule IS
  'Whoever may read the table reads all rows; nobody but the owner writes';

CREATE FUNCTION net._policy_changed()
RETURNS trigger
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgnet_policy_changed';
COMMENT ON FUNCTION net._policy_changed() IS
  'Trigger of net.access_rule and net.secret: they apply to the next call, and to what waits';
REVOKE ALL ON FUNCTION net._policy_changed() FROM PUBLIC;

CREATE TRIGGER policy_changed
  AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON net.access_rule
  FOR EACH STATEMENT EXECUTE FUNCTION net._policy_changed();
ALTER TABLE net.access_rule ENABLE ALWAYS TRIGGER policy_changed;
COMMENT ON TRIGGER policy_changed ON net.access_rule IS
  'Tells every session and the worker';

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
  'Values that net.secret() refers to, put into headers when a request is sent. For the owner to fill; not written by pg_dump';
COMMENT ON COLUMN net.secret.name IS 'What net.secret() is called with';
COMMENT ON COLUMN net.secret.value IS
  'The value, in one line, or PEM; null: that of the same name in vault.decrypted_secrets';
COMMENT ON COLUMN net.secret.roles IS
  'Who may use it: these roles, and members that inherit their rights. A name without a role matches nobody';
COMMENT ON COLUMN net.secret.host IS
  'Where it may be sent: a host; *.name: every host below name; *: anywhere';
COMMENT ON COLUMN net.secret.port IS
  'The port it may be sent to; null: the default of the scheme';
COMMENT ON COLUMN net.secret.allow_http IS
  'Whether it may be sent without TLS, in clear';

-- Without a policy: the owner, superusers and BYPASSRLS only, and no member of
-- pg_read_all_data or pg_write_all_data.
ALTER TABLE net.secret ENABLE ROW LEVEL SECURITY;

CREATE TRIGGER policy_changed
  AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON net.secret
  FOR EACH STATEMENT EXECUTE FUNCTION net._policy_changed();
ALTER TABLE net.secret ENABLE ALWAYS TRIGGER policy_changed;
COMMENT ON TRIGGER policy_changed ON net.secret IS
  'Has the worker look again at what waits';

CREATE FUNCTION net.secret(name text)
RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN '${net.secret:' || name || '}';
COMMENT ON FUNCTION net.secret(text) IS
  'A reference to a secret, for the value of a header; the worker puts the value in when it sends the request';

--
-- Requests
--
-- Not marked SECURITY DEFINER: they write to the queue as its owner by
-- themselves, and record the role that really called. ALTER FUNCTION ...
-- SECURITY DEFINER works; the role recorded is the function's owner then.
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
  'Queue a DELETE request, with a JSON body if given, sent after commit; returns its id';

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
-- Bodies: bytes, and what they are. A literal is text; casts make a body from
-- what is JSON, XML or binary by its type.
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
  'The body of a request, and its content type. A literal is text; jsonb, json, xml and bytea are cast to it';

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
COMMENT ON FUNCTION net.http_body(text) IS 'A body of plain text, in UTF-8';
COMMENT ON FUNCTION net.http_body(character) IS
  'A body of plain text, in UTF-8, without the blanks at the end';
COMMENT ON FUNCTION net.http_body(jsonb) IS 'A JSON body, in UTF-8';
COMMENT ON FUNCTION net.http_body(json) IS 'A JSON body, in UTF-8';
COMMENT ON FUNCTION net.http_body(xml) IS 'An XML body, in UTF-8';
COMMENT ON FUNCTION net.http_body(bytea) IS 'A body of bytes as they are';

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
  'The body an HTML form sends: the members of an object, an array as a repeated name';

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
  'One part of a multipart body: a file when it has a file name, else a field';

CREATE FUNCTION net.multipart(
  fields jsonb DEFAULT NULL,
  VARIADIC parts net.http_part[] DEFAULT '{}'
)
RETURNS net.http_body
LANGUAGE c VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pgnet_multipart';
COMMENT ON FUNCTION net.multipart(jsonb, net.http_part[]) IS
  'A multipart body: the members of an object as fields, then parts';

CREATE FUNCTION net.http_request(
  method text,
  url text,
  params jsonb DEFAULT NULL,
  headers jsonb DEFAULT NULL,
  body net.http_body DEFAULT NULL,
  timeout_milliseconds integer DEFAULT 2000,
  connect_timeout_milliseconds integer DEFAULT NULL,
  max_redirects integer DEFAULT NULL,
  max_response_bytes bigint DEFAULT NULL,
  decompress boolean DEFAULT NULL,
  http_version text DEFAULT NULL,
  secret_headers text[] DEFAULT NULL
)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgnet_http_request';
COMMENT ON FUNCTION net.http_request(text, text, jsonb, jsonb, net.http_body, integer, integer, integer, bigint, boolean, text, text[]) IS
  'Queue a request of any method with any body, sent after commit; returns its id';

--
-- Responses of single requests
--

CREATE TYPE net.request_status AS ENUM ('PENDING', 'SUCCESS', 'ERROR');
COMMENT ON TYPE net.request_status IS
  'Where a request is: waiting or in flight, answered, or failed';

CREATE TYPE net.http_response AS (
  status_code integer,
  headers jsonb,
  body text
);
COMMENT ON TYPE net.http_response IS 'A response that came';

CREATE TYPE net.http_response_result AS (
  status net.request_status,
  message text,
  response net.http_response
);
COMMENT ON TYPE net.http_response_result IS
  'What net._http_collect_response() knows of a request';

CREATE FUNCTION net._http_collect_response(
  request_id bigint,
  async boolean DEFAULT true
)
RETURNS net.http_response_result
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgnet_collect_response';
COMMENT ON FUNCTION net._http_collect_response(bigint, boolean) IS
  'Status and response of a request; with async := false waits until it is no longer pending';

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
  'Wait for the response of a request; false when there is no such request';

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
  'Append parameters, each "key=value" and percent-encoded already, to the query of a URL';

--
-- The worker
--

CREATE FUNCTION net.wake()
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgnet_wake';
COMMENT ON FUNCTION net.wake() IS
  'Have the worker look at the whole queue after this transaction commits';

CREATE FUNCTION net.worker_restart()
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgnet_worker_restart';
COMMENT ON FUNCTION net.worker_restart() IS
  'Read the configuration again and start the worker of this database anew with it';
REVOKE ALL ON FUNCTION net.worker_restart() FROM PUBLIC;

CREATE FUNCTION net.wait_until_running()
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgnet_wait_until_running';
COMMENT ON FUNCTION net.wait_until_running() IS
  'Wait until the worker of this database is at work; start it if need be';

CREATE FUNCTION net.check_worker_is_up()
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgnet_check_worker_is_up';
COMMENT ON FUNCTION net.check_worker_is_up() IS
  'Raise an error if the worker of this database should be at work and is not';

CREATE FUNCTION net.set_durable(durable boolean)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgnet_set_durable';
COMMENT ON FUNCTION net.set_durable(boolean) IS
  'Make queue and responses logged, to survive crashes and failovers, or unlogged, the default and faster; for the owner of the tables';
REVOKE ALL ON FUNCTION net.set_durable(boolean) FROM PUBLIC;

-- The worker may wait for this.
SELECT net.wake();
