"""Those who would do harm: a container, a tenant, a local user, a foreign plugin; each judged on the victim's side."""
