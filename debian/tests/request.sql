\getenv url PGNET_TEST_URL
create extension pg_net;
select net.http_get(:'url') as id \gset
do 'begin
      assert (select (response).status_code = 200 from net._http_collect_response(1, async := false));
    end';
