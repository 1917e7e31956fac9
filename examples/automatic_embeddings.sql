-- The embedding of each document, from an API, into its row.

create extension if not exists pg_net;

-- With pgvector, the column would be of the type vector(1536).
create table documents (
    id bigint generated always as identity primary key,
    content text not null,
    embedding real[]
);

-- In place of an API: whatever is sent here, the answer is
-- {"data": [{"index": 0, "embedding": [0.25, -0.5, 1]}]}
insert into net.endpoint (name, url, retry, rate, burst)
values ('embeddings', 'http://localhost:8080/body?type=application/json&base64='
        || 'eyJkYXRhIjogW3siaW5kZXgiOiAwLCAiZW1iZWRkaW5nIjogWzAuMjUsIC0wLjUsIDFdfV19',
        net.backoff(6), 50, 50);

-- Ask for the embedding of a row, with what it was made of.
create function ask_for_embedding() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform net.http_request('POST', 'net://embeddings',
                             body := jsonb_build_object('model', 'text-embedding-3-small', 'input', new.content),
                             context := jsonb_build_object('id', new.id, 'of', md5(new.content)),
                             callback := 'public.store_embedding', keep := false,
                             timeout_milliseconds := 30000);
    return null;
end $$;

-- Called with the response. If the row has changed meanwhile, another one is on its way.
create function store_embedding(response net._http_response) returns void
language sql set search_path = public, pg_temp as $$
    update documents
    set embedding = array(select value::real
                          from jsonb_array_elements_text(response.content::jsonb->'data'->0->'embedding')
                               with ordinality order by ordinality)
    where id = (response.context->>'id')::bigint and md5(content) = response.context->>'of'
      and response.error_msg is null and response.status_code = 200
$$;

create trigger embedding after insert or update of content on documents
    for each row execute function ask_for_embedding();

insert into documents (content) values ('a red apple'), ('a green pear');
update documents set content = 'a yellow pear' where id = 2;

-- They come a moment later.
do $$
begin
    for i in 1 .. 600 loop
        exit when not exists (select from documents where embedding is null);
        perform pg_sleep(0.1);
        commit;
    end loop;
end $$;

select id, content, embedding from documents order by id;
