drop index seal_by_day;
