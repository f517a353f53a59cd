// Writes what happened to the file events.log in the folder that the simulation runs in: one line of hexadecimal per
// record, the clock before it. Records of one clock stand in their order, number 0 first. A rising do_open begins the
// file anew, a rising do_flush makes everything written so far readable.
module saoffload_event_log(clk, is_on, clock, valid, records, do_open, do_flush);
  parameter COUNT = 1;
  parameter WIDTH = 160;
  input clk;
  input is_on;
  input [31:0] clock;
  input [COUNT-1:0] valid;
  input [COUNT*WIDTH-1:0] records;
  input do_open;
  input do_flush;
  integer file = 0;
  integer i;
  always @(posedge do_open) begin
    if (file != 0) $fclose(file);
    file = $fopen("events.log", "w");
  end
  always @(posedge do_flush) $fflush(file);
  always @(posedge clk)
    if (is_on && |valid)
      for (i = 0; i < COUNT; i = i + 1)
        if (valid[i]) $fwrite(file, "%h%h\n", clock, records[i*WIDTH +: WIDTH]);
endmodule
