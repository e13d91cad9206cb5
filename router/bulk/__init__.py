"""Bulk import and export: file rows in, a result for each row out, in constant memory."""
