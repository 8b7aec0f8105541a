"""The museum of lesson 08: mistakes that people published or asked about, each beside its healthy version."""
