-- concurrently
drop index concurrently if exists seal_by_day;
