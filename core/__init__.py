"""The ground floor: clock, errors, serials, reasons, durable files, database, audit."""
