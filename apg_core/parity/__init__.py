"""Checks an installation against numbers that the published model definitions gave: `apg verify`."""
