-- The catalog that pg_net 0.20.4 leaves, by its documentation and by what was
-- read from pg_class, pg_proc and the like; the bodies are our own. psql sets
-- the version: 0.14.0 and 0.19.5 differ as shown. To be run by a superuser in a
-- database without the extension.
SET allow_system_table_mods = on;
BEGIN;
SELECT :'version' = '0.14.0' AS is_014 \gset

CREATE SCHEMA net;
GRANT USAGE ON SCHEMA net TO PUBLIC;

CREATE DOMAIN net.http_method AS text
  CONSTRAINT http_method_check CHECK (lower(VALUE) IN ('get', 'post', 'delete'));

CREATE UNLOGGED TABLE net.http_request_queue (
  id bigserial,
  method net.http_method NOT NULL,
  url text NOT NULL,
  headers jsonb,
  body bytea,
  timeout_milliseconds integer NOT NULL
);
CREATE UNLOGGED TABLE net._http_response (
  id bigint,
  status_code integer,
  content_type text,
  headers jsonb,
  content text,
  timed_out boolean,
  error_msg text,
  created timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX _http_response_created_idx ON net._http_response (created);
GRANT ALL ON net.http_request_queue, net._http_response TO PUBLIC;
GRANT ALL ON SEQUENCE net.http_request_queue_id_seq TO PUBLIC;

CREATE TYPE net.request_status AS ENUM ('PENDING', 'SUCCESS', 'ERROR');
CREATE TYPE net.http_response AS (status_code integer, headers jsonb, body text);
CREATE TYPE net.http_response_result AS (status net.request_status, message text, response net.http_response);

CREATE FUNCTION net._urlencode_string(string character varying) RETURNS text
LANGUAGE c IMMUTABLE AS '$libdir/pg_net', '_urlencode_string';
CREATE FUNCTION net._encode_url_with_params_array(url text, params_array text[]) RETURNS text
LANGUAGE c IMMUTABLE AS '$libdir/pg_net', '_encode_url_with_params_array';
CREATE FUNCTION net.worker_restart() RETURNS boolean
LANGUAGE c AS '$libdir/pg_net', 'worker_restart';
\if :is_014
ALTER FUNCTION net._urlencode_string(character varying) STRICT;
ALTER FUNCTION net._encode_url_with_params_array(text, text[]) STRICT;
ALTER TABLE net.http_request_queue ALTER COLUMN headers SET NOT NULL;
\else
CREATE FUNCTION net.wake() RETURNS void
LANGUAGE c AS '$libdir/pg_net', 'wake';
CREATE FUNCTION net.wait_until_running() RETURNS void
LANGUAGE c AS '$libdir/pg_net', 'wait_until_running';
\endif

CREATE FUNCTION net.check_worker_is_up() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type ILIKE '%pg_net%') THEN
    RAISE 'the pg_net background worker is not up';
  END IF;
END
$$;

-- What all three request functions do; not there in 0.20, where each does it.
CREATE FUNCTION pg_temp.body_of(method text, body text) RETURNS text LANGUAGE sql AS $$
  SELECT format($f$
DECLARE
  pairs text[];
  request_id bigint;
BEGIN
  SELECT array_agg(net._urlencode_string(key) || '=' || net._urlencode_string(value)) INTO pairs
  FROM jsonb_each_text(params);
  INSERT INTO net.http_request_queue (method, url, headers, body, timeout_milliseconds)
  VALUES (%L, net._encode_url_with_params_array(url, coalesce(pairs, '{}')), headers, %s, timeout_milliseconds)
  RETURNING id INTO request_id;
  %s
  RETURN request_id;
END
$f$, method, body, CASE current_setting('test.version') WHEN '0.14.0' THEN '' ELSE 'PERFORM net.wake();' END)
$$;
SELECT set_config('test.version', :'version', true);
DO $$
DECLARE
  is_014 boolean := current_setting('test.version') = '0.14.0';
BEGIN
  EXECUTE format($f$CREATE FUNCTION net.http_get(url text, params jsonb DEFAULT '{}', headers jsonb DEFAULT '{}',
    timeout_milliseconds integer DEFAULT 5000) RETURNS bigint LANGUAGE plpgsql %s AS %L$f$,
    CASE WHEN is_014 THEN 'STRICT PARALLEL SAFE' END, pg_temp.body_of('GET', 'NULL'));
  EXECUTE format($f$CREATE FUNCTION net.http_post(url text, body jsonb DEFAULT '{}', params jsonb DEFAULT '{}',
    headers jsonb DEFAULT '{"Content-Type": "application/json"}', timeout_milliseconds integer DEFAULT 5000)
    RETURNS bigint LANGUAGE plpgsql AS %L$f$, pg_temp.body_of('POST', $b$convert_to(body::text, 'UTF8')$b$));
  EXECUTE format($f$CREATE FUNCTION net.http_delete(url text, params jsonb DEFAULT '{}', headers jsonb DEFAULT '{}',
    timeout_milliseconds integer DEFAULT 5000%s) RETURNS bigint LANGUAGE plpgsql %s AS %L$f$,
    CASE WHEN NOT is_014 THEN ', body jsonb DEFAULT NULL' END, CASE WHEN is_014 THEN 'STRICT PARALLEL SAFE' END,
    pg_temp.body_of('DELETE', CASE WHEN is_014 THEN 'NULL' ELSE $b$convert_to(body::text, 'UTF8')$b$ END));
END
$$;

CREATE FUNCTION net._await_response(request_id bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  WHILE NOT EXISTS (SELECT FROM net._http_response WHERE id = request_id) LOOP
    PERFORM pg_sleep(0.05);
  END LOOP;
  RETURN true;
END
$$;
CREATE FUNCTION net._http_collect_response(request_id bigint, async boolean DEFAULT true)
RETURNS net.http_response_result LANGUAGE plpgsql AS $$
DECLARE
  found_row net._http_response;
BEGIN
  IF NOT async THEN
    PERFORM net._await_response(request_id);
  END IF;
  SELECT * INTO found_row FROM net._http_response WHERE id = request_id;
  IF NOT FOUND THEN
    RETURN ('ERROR', 'request matching request_id not found', NULL)::net.http_response_result;
  ELSIF found_row.error_msg IS NOT NULL THEN
    RETURN ('ERROR', found_row.error_msg, NULL)::net.http_response_result;
  END IF;
  RETURN ('SUCCESS', 'ok', (found_row.status_code, found_row.headers, found_row.content)::net.http_response)::net.http_response_result;
END
$$;
CREATE FUNCTION net.http_collect_response(request_id bigint, async boolean DEFAULT true)
RETURNS net.http_response_result LANGUAGE plpgsql AS $$
BEGIN
  RETURN net._http_collect_response(request_id, async);
END
$$;
\if :is_014
ALTER FUNCTION net._await_response(bigint) STRICT PARALLEL SAFE;
ALTER FUNCTION net._http_collect_response(bigint, boolean) STRICT PARALLEL SAFE;
ALTER FUNCTION net.http_collect_response(bigint, boolean) STRICT PARALLEL SAFE;
\endif

INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
SELECT max(oid::bigint) + 100000, 'pg_net', current_user::regrole, 'public'::regnamespace, false, :'version' FROM pg_proc;
INSERT INTO pg_depend (classid, objid, objsubid, refclassid, refobjid, refobjsubid, deptype)
SELECT 'pg_extension'::regclass, oid, 0, 'pg_namespace'::regclass, extnamespace, 0, 'n'
FROM pg_extension WHERE extname = 'pg_net';
DO $$
DECLARE
  object text;
BEGIN
  FOR object IN
    SELECT 'FUNCTION ' || oid::regprocedure FROM pg_proc WHERE pronamespace = 'net'::regnamespace
    UNION ALL
    SELECT CASE relkind WHEN 'S' THEN 'SEQUENCE ' WHEN 'c' THEN 'TYPE ' ELSE 'TABLE ' END || oid::regclass FROM pg_class
    WHERE relnamespace = 'net'::regnamespace AND relkind IN ('r', 'S', 'c')
    UNION ALL
    SELECT 'TYPE ' || oid::regtype FROM pg_type WHERE typnamespace = 'net'::regnamespace AND typtype = 'e'
    UNION ALL
    SELECT 'DOMAIN net.http_method'
    UNION ALL
    SELECT 'SCHEMA net'
  LOOP
    EXECUTE 'ALTER EXTENSION pg_net ADD ' || object;
  END LOOP;
END
$$;
COMMIT;
RESET allow_system_table_mods;
