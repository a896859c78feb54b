alter table challenge drop column amount_pattern, drop column text_version;
