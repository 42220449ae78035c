# Short forms of `python tools/course.py ...`, which does the work on every system.
PYTHON ?= python3
COURSE = $(PYTHON) tools/course.py

.PHONY: help book serve test lab execute bench gpu archive print epub clean
help:
	@echo "make book      set up and build the book        make test      set up and check everything"
	@echo "make serve     read it on localhost             make test CHAPTER=channel/squeeze_excitation"
	@echo "make lab       work in JupyterLab               make execute CHAPTER=..."
	@echo "make bench     time and memory of every mechanism beside its textbook form"
	@echo "make gpu       benchmarks, chapters and full experiments on a GPU"
	@echo "make archive   the site as a zip                make print CHAPTER=... (PDF), make epub"
	@echo "make clean     remove the environment and all builds"
book:
	@$(COURSE) book
serve:
	@$(COURSE) serve
test:
	@$(COURSE) test $(CHAPTER)
lab:
	@$(COURSE) lab
execute:
	@$(COURSE) execute $(CHAPTER)
bench:
	@$(COURSE) bench $(CHAPTER)
gpu:
	@$(COURSE) gpu $(CHAPTER)
archive:
	@$(COURSE) archive
print:
	@$(COURSE) print $(CHAPTER)
epub:
	@$(COURSE) epub
clean:
	@$(COURSE) clean
