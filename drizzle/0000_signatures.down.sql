drop table provider_rate;
drop table known_key;
drop table installation;
drop table idempotency_key;
drop table event;
drop table challenge;
drop table signature;
