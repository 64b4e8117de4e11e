"""Right, wrong and hostile inputs to whole handlers, with three Regions in memory."""
