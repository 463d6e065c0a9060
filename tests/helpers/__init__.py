"""Material and stand-ins that several test folders share."""
