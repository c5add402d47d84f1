"""Files of others to specs. What reads a file has its place here; nothing here runs one."""
