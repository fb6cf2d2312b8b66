"""Where state lives: the job store in SQL, the artifact store in a folder or bucket."""
